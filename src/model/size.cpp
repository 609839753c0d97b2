#include "model/size.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <stdexcept>

#include "attention/block_attention.h"
#include "attention/pattern.h"
#include "config/checked_integer.h"
#include "config/errors.h"
#include "model/linear.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kVocabulary = 256;

void add_block(const ModelSettings& settings, std::int64_t layer,
               std::vector<TensorShape>& shapes) {
  const std::int64_t d = settings.width;
  const std::int64_t inner = settings.feedforward_width();
  const std::int64_t values = settings.heads * settings.value_width();
  const std::int64_t packed = 2 * settings.heads * settings.query_width() + values;
  const std::string prefix = "blocks." + std::to_string(layer) + ".";
  const auto add = [&](const std::string& name, const std::vector<std::int64_t>& weight) {
    shapes.push_back({prefix + name + ".weight", weight});
    shapes.push_back({prefix + name + ".bias", {weight[0]}});
  };
  add("attention_norm", {d});
  add("attention.query_key_value", {packed, d});
  add("attention.output", {d, values});
  add("feedforward_norm", {d});
  add("feedforward.expand", {inner, d});
  add("feedforward.contract", {d, inner});
}

/// Whether y = W·x is computed with it: every matrix but the embeddings, which are looked up.
bool is_multiplied(const TensorShape& shape) {
  return shape.sizes.size() == 2 && !shape.name.starts_with("embedding");
}

double flops_per_token(const ModelSettings& settings, const ModelSize& size) {
  const double pairs =
      size.attention_pairs_per_query * static_cast<double>(settings.heads * settings.layers);
  const std::int64_t widths = settings.query_width() + settings.value_width();
  return 6.0 * static_cast<double>(size.multiplied_weights) +
         3.0 * 2.0 * static_cast<double>(widths) * pairs;
}

using Count = CheckedInteger;

constexpr std::int64_t kFull = sizeof(float);

/// Bytes a token that a block keeps for the backward pass and that come and go in it (block.cpp,
/// attention/sparse_attention.cpp).
struct BlockBytes {
  BlockBytes(const ModelSettings& settings, const Computation& computation)
      : d(settings.width),
        inner(settings.feedforward_width()),
        heads(settings.heads),
        values(heads * settings.value_width()),
        packed(2 * heads * settings.query_width() + values),
        number(computation.precision == Precision::kFloat32 ? kFull : kFull / 2),
        is_widened(product_type(at::kCPU, activation_type(computation.precision)) !=
                   activation_type(computation.precision)),
        is_fused(computation.kernels == Kernels::kFused),
        mask(settings.dropout > 0.0 && !is_fused ? settings.width : 0) {}

  Count boundary() const { return number * d; }
  static constexpr std::int64_t kStatistics = 2 * kFull;  // of a norm: mean and deviation

  /// Beside what comes in: norm, packed projection, output, lse.
  Count attention() const {
    return number * (d + packed + values) + kStatistics + kFull * heads + mask;
  }
  /// Likewise, with what comes in: norm, before and after the non-linearity.
  Count feedforward() const { return number * (2 * d + 2 * inner) + kStatistics + mask; }

  /// Gradients along the residual and inside; what is multiplied in float32 has copies there.
  Count feedforward_moment() const {
    return number * (2 * d + inner) + (is_widened ? kFull * (d + 2 * inner) : 0);
  }
  /// Gradients along the residual, of the output and of the packed projection, beside what a piece
  /// takes.
  Count attention_moment() const { return number * (2 * d + values + packed) + kFull * heads; }
  /// What attention has in float32 where activations are half as long: the gradient of the packed
  /// projection, and without fused kernels the projection, the output and its gradient too.
  Count attention_copies() const {
    if (number == kFull) return 0;
    return is_fused ? kFull * packed : 2 * kFull * (packed + values);
  }
  /// Matrices of a weight's gradient: fused kernels need none scaled.
  Count gradient_matrices() const { return number < kFull ? 2 : 1; }

  Count d, inner, heads, values, packed;
  std::int64_t number;  // bytes of an activation
  bool is_widened, is_fused;
  Count mask;
};

/// The bytes that computing the gradient of some piece of a layer's pattern takes, where it is
/// most. Bands are added in place.
Count largest_piece(const ModelSettings& settings, const BlockBytes& block,
                    const std::vector<LayerPattern>& patterns, std::int64_t batch, std::int64_t n) {
  Count largest = 0;
  std::set<const BlockTable*> known;  // equal layers share theirs
  for (const LayerPattern& pattern : patterns) {
    for (const HeadGroup& group : pattern.groups) {
      for (const Piece& piece : group.pieces) {
        const auto* blocks = std::get_if<Blocks>(&piece);
        if (blocks == nullptr || !known.insert(blocks->table.get()).second) continue;
        const BlocksSize size{.batch = batch,
                              .n = n,
                              .heads = group.heads,
                              .first_head = group.first_head,
                              .query_width = settings.query_width(),
                              .value_width = settings.value_width()};
        largest = std::max(largest, Count(kFull) * blocks_backward_numbers(*blocks->table, size));
      }
    }
  }
  return Count(batch) * n * block.attention_copies() + largest;
}

/// The largest moment of a block's backward pass, for so many tokens, beside what all blocks keep;
/// `piece`: bytes of its attention's largest piece.
Count block_moment(const BlockBytes& block, Recompute recompute, Count tokens, Count piece) {
  // At its feed-forward part: the gradient of a weight, and the same scaled.
  const Count wide_matrix = kFull * block.inner * block.d;
  const Count again_first =
      recompute == Recompute::kBlock ? block.attention() + block.feedforward() : Count(0);
  const Count first =
      tokens * (block.feedforward_moment() + again_first) + block.gradient_matrices() * wide_matrix;
  // At its attention, when what the feed-forward part keeps by itself is free again. The gradients
  // of weights that were met since stay until what is recomputed has its gradient.
  const Count kept = recompute == Recompute::kBlock ? Count(0) : block.feedforward();
  const Count again = recompute == Recompute::kNone ? Count(0) : block.attention();
  const Count output_matrix =
      recompute == Recompute::kNone ? Count(0) : kFull * block.values * block.d;
  const Count second = tokens * (block.attention_moment() + again - kept) + piece + output_matrix +
                       (recompute == Recompute::kBlock ? 2 * wide_matrix : Count(0));
  return std::max(first, second);
}

Count kept_by_block(const BlockBytes& block, Recompute recompute) {
  switch (recompute) {
    case Recompute::kNone:
      return block.boundary() + block.attention() + block.feedforward();
    case Recompute::kAttention:
      return block.boundary() + block.feedforward();
    case Recompute::kBlock:
      return block.boundary();
  }
  throw std::logic_error("kept_by_block: no such recomputation");
}

/// Bytes a token of the embedding's masks, which fused kernels draw again, and of the tokens'
/// indices, which plain operations of the loss need too; fused ones keep a log-sum-exp.
Count kept_at_the_ends(const ModelSettings& settings, const SequenceLayout& layout,
                       Kernels kernels) {
  constexpr std::int64_t kIndex = sizeof(std::int64_t);
  const auto masks = static_cast<std::int64_t>(1 + layout.axes.size()) * settings.width;
  const bool keeps_masks = settings.embedding_dropout > 0.0 && kernels == Kernels::kPlain;
  return (keeps_masks ? masks : 0) + kIndex + (kernels == Kernels::kFused ? kFull : kIndex);
}

Count activation_bytes(const ModelSettings& settings, const SequenceLayout& layout,
                       const std::vector<LayerPattern>& patterns, std::int64_t micro_batch,
                       const Computation& computation) {
  const std::int64_t padded = settings.attention.padded_length(layout.length);
  const Count tokens = Count(micro_batch) * padded;
  const BlockBytes block(settings, computation);
  const Count piece = largest_piece(settings, block, patterns, micro_batch, padded);
  const std::int64_t logits = kFull * kVocabulary;
  const Count kept = settings.layers * kept_by_block(block, computation.recompute) +
                     block.boundary() + logits +
                     kept_at_the_ends(settings, layout, computation.kernels);
  // The final norm and the gradient of the logits; of plain operations log-probabilities and their
  // gradient, too.
  const std::int64_t of_loss = computation.kernels == Kernels::kFused ? logits : 3 * logits;
  const Count loss = kFull * settings.width + BlockBytes::kStatistics + of_loss;
  return tokens * kept +
         std::max(tokens * loss, block_moment(block, computation.recompute, tokens, piece));
}

/// Of the copies that products in half precision read (Transformer::keep_rounded_weights()): of
/// every multiplied weight but the logits'.
std::int64_t rounded_bytes(const ModelSize& size, const ModelSettings& settings,
                           Precision precision) {
  const at::ScalarType type = product_type(at::kCPU, activation_type(precision));
  if (!at::isReducedFloatingType(type)) return 0;
  return kFull / 2 * (size.multiplied_weights - kVocabulary * settings.width);
}

}  // namespace

std::int64_t TensorShape::count() const {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<TensorShape> parameter_shapes(const ModelSettings& settings,
                                          const SequenceLayout& layout) {
  const std::int64_t d = settings.width;
  std::vector<TensorShape> shapes = {{"embedding.token.weight", {kVocabulary, d}}};
  for (std::size_t axis = 0; axis < layout.axes.size(); ++axis) {
    shapes.push_back(
        {"embedding.position." + std::to_string(axis) + ".weight", {layout.axes[axis], d}});
  }
  shapes.push_back({"embedding.start", {d}});
  for (const AugmentationKind kind : told_kinds(settings.augmentation)) {
    shapes.push_back({augmentation_name(kind), {forms_of(kind) - 1, d}});
  }
  for (std::int64_t layer = 0; layer < settings.layers; ++layer) add_block(settings, layer, shapes);
  shapes.push_back({"final_norm.weight", {d}});
  shapes.push_back({"final_norm.bias", {d}});
  shapes.push_back({"output.weight", {kVocabulary, d}});
  return shapes;
}

namespace {

ModelSize checked_model_size(const ModelSettings& settings, const SequenceLayout& layout,
                             std::int64_t micro_batch, bool average,
                             const Computation& computation) {
  const std::vector<TensorShape> shapes = parameter_shapes(settings, layout);
  ModelSize size;
  for (const TensorShape& shape : shapes) {
    size.parameters += shape.count();
    if (is_multiplied(shape)) size.multiplied_weights += shape.count();
  }
  const std::vector<LayerPattern> patterns =
      layer_patterns(settings.attention, settings.layers, settings.heads, layout.length);
  size.attention_pairs_per_query = pairs_per_query(patterns, layout.length);
  size.flops_per_token = flops_per_token(settings, size);
  const std::int64_t copies = average ? 5 : 4;  // weights, gradients, two moments, average
  size.state_bytes =
      copies * size.parameters * kFull + rounded_bytes(size, settings, computation.precision);
  for (std::size_t i = 0; i < size.activation_bytes_by_recompute.size(); ++i) {
    Computation other = computation;
    other.recompute = static_cast<Recompute>(i);
    size.activation_bytes_by_recompute[i] =
        activation_bytes(settings, layout, patterns, micro_batch, other).value();
  }
  size.activation_bytes =
      size.activation_bytes_by_recompute.at(static_cast<std::size_t>(computation.recompute));
  return size;
}

}  // namespace

ModelSize model_size(const ModelSettings& settings, const SequenceLayout& layout,
                     std::int64_t micro_batch, bool average, const Computation& computation) {
  try {
    return checked_model_size(settings, layout, micro_batch, average, computation);
  } catch (const IntegerOverflow&) {
    throw UserError(
        "a training step takes more than 8 EiB of memory (model.layers, model.width, "
        "data.sequence and training.micro_batch decide)");
  }
}

}  // namespace sparse_transformer
