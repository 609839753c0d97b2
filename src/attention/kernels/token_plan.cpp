#include "attention/kernels/token_plan.h"

namespace sparse_transformer {
namespace {

static_assert(kMostPlaces + 3 * kMostRuns <= kMostEntryNumbers);

bool serves_width(std::int64_t width) {
  return width % 8 == 0 && width > 0 && width <= kMostTokenWidth;
}

}  // namespace

bool serves_token(const HeadShape& shape, at::ScalarType type) {
  return serves_width(shape.query_width) && serves_width(shape.value_width) &&
         (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf);
}

CacheType cache_type(at::ScalarType type) {
  if (type == at::kFloat) return CacheType::kFloat32;
  return type == at::kHalf ? CacheType::kFloat16 : CacheType::kBfloat16;
}

TokenAttentionParams token_params(const at::Tensor& memory, const TokenTable& table,
                                  const HeadShape& shape, const at::Tensor& packed,
                                  const at::Tensor& position, const at::Tensor& out) {
  return {.batch = static_cast<std::int32_t>(packed.size(0)),
          .heads = static_cast<std::int32_t>(packed.size(2)),
          .query_width = static_cast<std::int32_t>(shape.query_width),
          .value_width = static_cast<std::int32_t>(shape.value_width),
          .scale = static_cast<float>(shape.scale),
          .packed = packed.const_data_ptr(),
          .memory = memory.mutable_data_ptr(),
          .layer_rows = memory.size(1),
          .out = out.mutable_data_ptr(),
          .entries = table.entries.const_data_ptr<std::int32_t>(),
          .head_places = table.heads.const_data_ptr<std::int64_t>(),
          .places = static_cast<std::int32_t>(table.places),
          .runs = static_cast<std::int32_t>(table.runs),
          .sets = static_cast<std::int32_t>(table.entries.size(1)),
          .position = position.const_data_ptr<std::int64_t>()};
}

}  // namespace sparse_transformer
