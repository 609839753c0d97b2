#include "model/work.h"

#include "model/size.h"

namespace sparse_transformer {
namespace {

double number_bytes(Precision precision) { return precision == Precision::kFloat32 ? 4.0 : 2.0; }

constexpr double kLogSumExpBytes = 4.0;

ModelSize size_of(const ModelSettings& settings, const SequenceLayout& layout) {
  return model_size(settings, layout, /*micro_batch=*/1, /*average=*/false, {});
}

}  // namespace

Work attention_work(const ModelSettings& settings, const LayerPattern& layer, std::int64_t n,
                    std::int64_t sequences, Precision precision) {
  const auto query = static_cast<double>(settings.query_width());
  const auto value = static_cast<double>(settings.value_width());
  const auto rows = static_cast<double>(sequences * n * settings.heads);
  const double pairs = pairs_per_query({layer}, n) * rows;
  constexpr double kForwardAndBackward = 1.0 + 2.5;
  // Queries, keys and values are read twice and their gradients written; the output is written and
  // read, its gradient read.
  const double numbers = 3.0 * (2.0 * query + value) + 3.0 * value;
  return {.flops = kForwardAndBackward * 2.0 * (query + value) * pairs,
          .bytes = rows * (number_bytes(precision) * numbers + 2.0 * kLogSumExpBytes)};
}

Work step_work(const ModelSettings& settings, const SequenceLayout& layout, std::int64_t sequences,
               Precision precision) {
  const ModelSize size = size_of(settings, layout);
  const auto tokens = static_cast<double>(sequences * layout.length);
  const auto layers = static_cast<double>(settings.layers);
  const auto d = static_cast<double>(settings.width);
  const auto values = static_cast<double>(settings.heads * settings.value_width());
  const double packed = static_cast<double>(2 * settings.heads * settings.query_width()) + values;
  const auto inner = static_cast<double>(settings.feedforward_width());
  const double numbers = 26.0 * d + 6.0 * packed + 6.0 * values + 8.0 * inner;  // a layer and token
  // AdamW reads weight, gradient and two moments and writes all but the gradient, in float32.
  constexpr double kOptimizerBytes = 7.0 * sizeof(float);
  return {.flops = tokens * size.flops_per_token,
          .bytes = tokens * layers * number_bytes(precision) * numbers +
                   kOptimizerBytes * static_cast<double>(size.parameters)};
}

Work sampling_work(const ModelSettings& settings, const SequenceLayout& layout,
                   std::int64_t sequences, Precision precision) {
  const ModelSize size = size_of(settings, layout);
  const auto count = static_cast<double>(sequences);
  const double keys =
      size.attention_pairs_per_query * static_cast<double>(settings.layers * settings.heads);
  const auto widths = static_cast<double>(settings.query_width() + settings.value_width());
  return {.flops = count * size.flops_per_token / 3.0,
          .bytes = number_bytes(precision) *
                   (static_cast<double>(size.multiplied_weights) + count * keys * widths)};
}

}  // namespace sparse_transformer
