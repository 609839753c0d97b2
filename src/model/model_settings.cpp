#include "model/model_settings.h"

#include <cmath>
#include <string>

#include "attention/pattern.h"
#include "config/errors.h"

namespace sparse_transformer {
namespace {

// What no machine trains is refused at once; model_size() checks the products of what is left.
constexpr std::int64_t kMostLayers = 10'000;
constexpr std::int64_t kMostWidth = 65'536;
constexpr std::int64_t kMostHeads = 1024;  // pairs of all heads: below 2^63 (kMostSequence)
constexpr double kMostRatio = 64.0;

/// ratio · width as whole numbers a part. Throws where it is none.
std::int64_t whole(double ratio, std::int64_t width, std::int64_t parts, const std::string& key) {
  const double size = ratio * static_cast<double>(width);
  const auto rounded = static_cast<std::int64_t>(std::llround(size));
  if (rounded < 1 || std::abs(size - static_cast<double>(rounded)) > 1e-6 || rounded % parts != 0) {
    throw SettingError(key, "a width of " + std::to_string(width) +
                                " times this ratio does not "
                                "divide evenly into " +
                                std::to_string(parts) + (parts == 1 ? " part" : " heads"));
  }
  return rounded / parts;
}

std::int64_t default_stride(std::int64_t length, const std::vector<std::int64_t>& picture_shape) {
  if (!picture_shape.empty()) return picture_shape[1] * picture_shape[2];
  const double root = std::sqrt(static_cast<double>(length));
  return std::int64_t{1} << std::llround(std::log2(root));
}

void check_patterns(const ModelSettings& settings, std::int64_t length) {
  for (const LayerPattern& layer :
       layer_patterns(settings.attention, settings.layers, settings.heads, length)) {
    for (const HeadGroup& group : layer.groups) {
      if (count_pairs(group, length) == 0) {
        throw SettingError("model.attention.layers",
                           "'" + group.name + "' has no pair of query and key in a sequence of " +
                               std::to_string(length) + " with a stride of " +
                               std::to_string(layer.stride));
      }
    }
  }
}

}  // namespace

void InitialisationSettings::describe(FieldVisitor& visit) {
  visit.field("token", token, "standard deviation of token embedding and start vector",
              at_least(0.0));
  visit.field("position", position,
              "standard deviation of the sum of all position embeddings of a token", at_least(0.0));
  visit.field("weight", weight, "variance of a weight times the width of its input", at_least(0.0));
  visit.field("residual", residual,
              "factor on that variance, divided by the layers, where a block adds to the residual",
              at_least(0.0));
}

void ModelSettings::describe(FieldVisitor& visit) {
  constexpr std::int64_t kOne = 1;
  const Range<double> ratio = {.low = 0.0, .high = kMostRatio, .above = true};
  visit.field("layers", layers, "residual blocks", between(kOne, kMostLayers));
  visit.field("width", width, "d, width of the residual path", between(kOne, kMostWidth));
  visit.field("heads", heads, "attention heads", between(kOne, kMostHeads));
  visit.field("qk_ratio", qk_ratio, "width of queries and keys over d", ratio);
  visit.field("feedforward_ratio", feedforward_ratio, "inner width of the feed-forward part over d",
              ratio);
  visit.field("dropout", dropout, "probability, at the end of each residual addition",
              Range<double>{.low = 0.0, .high = 0.99});
  visit.field("embedding_dropout", embedding_dropout,
              "probability, on the embeddings of tokens and of each position, and on the output "
              "matrix",
              Range<double>{.low = 0.0, .high = 0.99});
  visit.section("attention", attention, "who attends to whom");
  visit.section("augmentation", augmentation,
                "other forms of the training data, of which the model is told");
  visit.section("initialisation", initialisation, "spread of the initial weights");
}

std::int64_t ModelSettings::query_width() const {
  return whole(qk_ratio, width, heads, "model.qk_ratio");
}

std::int64_t ModelSettings::value_width() const { return width / heads; }

std::int64_t ModelSettings::feedforward_width() const {
  return whole(feedforward_ratio, width, 1, "model.feedforward_ratio");
}

std::vector<std::int64_t> SequenceLayout::picture_shape() const {
  constexpr std::size_t kPictureAxes = 3;
  return axes.size() == kPictureAxes ? axes : std::vector<std::int64_t>{};
}

SequenceLayout sequence_layout(std::int64_t length, const std::vector<std::int64_t>& picture_shape,
                               std::int64_t stride) {
  if (!picture_shape.empty()) return {length, picture_shape};
  return {length, {(length + stride - 1) / stride, stride}};
}

void resolve(ModelSettings& settings, std::int64_t length,
             const std::vector<std::int64_t>& picture_shape) {
  if (settings.width % settings.heads != 0) {
    throw SettingError("model.heads", std::to_string(settings.heads) +
                                          " heads do not divide a width of " +
                                          std::to_string(settings.width));
  }
  settings.query_width();
  settings.feedforward_width();
  check_augmentation(settings.augmentation, picture_shape);
  if (!settings.attention.stride) {
    settings.attention.stride = default_stride(length, picture_shape);
  }
  if (*settings.attention.stride > length) {
    throw SettingError("model.attention.stride",
                       std::to_string(*settings.attention.stride) +
                           " positions a row are more than the sequence of " +
                           std::to_string(length));
  }
  settings.attention.summary = settings.attention.summary_columns();
  settings.attention = expanded(settings.attention);
  check_patterns(settings, length);
}

}  // namespace sparse_transformer
