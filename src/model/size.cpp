#include "model/size.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "attention/block_attention.h"
#include "attention/pattern.h"

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

double flops_per_token(const ModelSettings& settings, const std::vector<TensorShape>& shapes,
                       double pairs_per_query) {
  double flops = 0.0;
  for (const TensorShape& shape : shapes) {
    if (is_multiplied(shape)) flops += 6.0 * static_cast<double>(shape.count());
  }
  const double pairs = pairs_per_query * static_cast<double>(settings.heads * settings.layers);
  const std::int64_t widths = settings.query_width() + settings.value_width();
  return flops + 3.0 * 2.0 * static_cast<double>(widths) * pairs;
}

/// float32 numbers that one block keeps from the forward to the backward pass (block.cpp), for this
/// many tokens.
std::int64_t saved_by_block(const ModelSettings& settings, std::int64_t tokens) {
  const std::int64_t d = settings.width;
  const std::int64_t heads = settings.heads;
  const std::int64_t value = settings.value_width();
  const std::int64_t packed = 2 * settings.query_width() + value;
  const std::int64_t inner = settings.feedforward_width();
  constexpr std::int64_t kNormStatistics = 2;              // mean and deviation
  std::int64_t per_token = 2 * (2 * d + kNormStatistics);  // both norms: what goes in, comes out
  per_token += heads * (packed + value + 1);               // packed projection, output, lse
  per_token += 2 * inner;                                  // before and after the non-linearity
  if (settings.dropout > 0.0) per_token += 2 * d;          // both masks
  const std::int64_t weights = 2 * inner * d;              // scaled anew in every pass
  return tokens * per_token + weights;
}

/// The numbers that computing the gradient of some piece of a layer's pattern takes, where it is
/// most.
std::int64_t largest_piece(const ModelSettings& settings, const std::vector<LayerPattern>& patterns,
                           std::int64_t batch, std::int64_t n) {
  const std::int64_t query = settings.query_width();
  const std::int64_t value = settings.value_width();
  // Gradients of a piece's queries, keys and values.
  std::int64_t largest = batch * n * settings.heads * (2 * query + value);
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
                              .query_width = query,
                              .value_width = value};
        largest = std::max(largest, blocks_backward_numbers(*blocks->table, size));
      }
    }
  }
  return largest;
}

/// float32 numbers that live only for a moment, at the moment of the step when they are the most.
std::int64_t largest_temporaries(const ModelSettings& settings, std::int64_t tokens,
                                 std::int64_t piece) {
  const std::int64_t d = settings.width;
  const std::int64_t values = settings.heads * settings.value_width();
  const std::int64_t packed = 2 * settings.heads * settings.query_width() + values;
  const std::int64_t inner = settings.feedforward_width();
  const std::int64_t loss = 3 * kVocabulary;  // log-probabilities, their gradient, the logits'
  const std::int64_t feedforward = 2 * d + 2 * inner;  // gradients along the residual and inside
  // Gradients of the packed projection, of the output, and of a piece; what the feed-forward part
  // saved is free again by then.
  const std::int64_t attention = tokens * (packed + values - 2 * inner) + piece;
  return std::max({tokens * loss, tokens * feedforward, attention});
}

std::int64_t activation_bytes(const ModelSettings& settings, const SequenceLayout& layout,
                              const std::vector<LayerPattern>& patterns, std::int64_t micro_batch) {
  const std::int64_t stride = *settings.attention.stride;
  const std::int64_t padded = (layout.length + stride - 1) / stride * stride;
  const std::int64_t tokens = micro_batch * padded;
  const std::int64_t last_norm = 2 * settings.width;
  const std::int64_t logits = kVocabulary;
  const std::int64_t piece = largest_piece(settings, patterns, micro_batch, padded);
  const std::int64_t numbers = settings.layers * saved_by_block(settings, tokens) +
                               tokens * (last_norm + logits) +
                               largest_temporaries(settings, tokens, piece);
  constexpr std::int64_t kTokenIndexBytes = sizeof(std::int64_t);
  return numbers * static_cast<std::int64_t>(sizeof(float)) + tokens * kTokenIndexBytes;
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
  for (std::int64_t layer = 0; layer < settings.layers; ++layer) add_block(settings, layer, shapes);
  shapes.push_back({"final_norm.weight", {d}});
  shapes.push_back({"final_norm.bias", {d}});
  shapes.push_back({"output.weight", {kVocabulary, d}});
  return shapes;
}

ModelSize model_size(const ModelSettings& settings, const SequenceLayout& layout,
                     std::int64_t micro_batch, bool average) {
  const std::vector<TensorShape> shapes = parameter_shapes(settings, layout);
  ModelSize size;
  for (const TensorShape& shape : shapes) size.parameters += shape.count();
  const std::vector<LayerPattern> patterns =
      layer_patterns(settings.attention, settings.layers, settings.heads, layout.length);
  size.attention_pairs_per_query = pairs_per_query(patterns, layout.length);
  size.flops_per_token = flops_per_token(settings, shapes, size.attention_pairs_per_query);
  const std::int64_t copies = average ? 5 : 4;  // weights, gradients, two moments, average
  size.state_bytes = copies * size.parameters * static_cast<std::int64_t>(sizeof(float));
  size.activation_bytes = activation_bytes(settings, layout, patterns, micro_batch);
  return size;
}

}  // namespace sparse_transformer
