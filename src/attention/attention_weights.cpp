#include "attention/attention_weights.h"

#include <ATen/ATen.h>

namespace sparse_transformer {
namespace {

std::vector<std::int64_t> key_positions(const HeadGroup& group, std::int64_t t, std::int64_t head) {
  std::vector<std::int64_t> positions;
  for (const Piece& piece : group.pieces) {
    for_each_key(piece, t, head, [&](std::int64_t key) { positions.push_back(key); });
  }
  return positions;
}

}  // namespace

QueryWeights attention_weights(const at::Tensor& packed, const LayerPattern& pattern,
                               const HeadShape& shape, std::int64_t head, std::int64_t position) {
  QueryWeights result{.keys = key_positions(pattern.group_of(head), position, head), .weights = {}};
  if (result.keys.empty()) return result;
  const at::Tensor rows = packed.select(0, 0).select(1, head);  // [n, packed width]
  const at::Tensor query = rows.select(0, position).narrow(0, 0, shape.query_width);
  const auto count = static_cast<std::int64_t>(result.keys.size());
  const at::Tensor index = at::from_blob(result.keys.data(), {count}, at::kLong).to(rows.device());
  const at::Tensor keys =
      rows.narrow(1, shape.query_width, shape.query_width).index_select(0, index);
  const at::Tensor scores = at::mv(keys.to(at::kFloat), query.to(at::kFloat)) * shape.scale;
  const at::Tensor weights = scores.softmax(0).cpu().contiguous();
  const auto* first = weights.const_data_ptr<float>();
  result.weights.assign(first, first + count);
  return result;
}

}  // namespace sparse_transformer
