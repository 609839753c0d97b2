// The code of tiles.h. The rules of registers.inl hold here.
#include "attention/kernels/tiles_backward.inl"
#include "attention/kernels/tiles_forward.inl"

namespace sparse_transformer {
namespace {

/// Of the backward pass, which needs more than the forward pass.
template <typename Operand>
std::int64_t scratch_size(std::int64_t query_width, std::int64_t value_width) {
  const std::int64_t lanes = units<Operand>(query_width) + units<Operand>(value_width);
  const std::int64_t rows = row_size<Operand>(query_width) + row_size<Operand>(value_width);
  return kRoundQueries * (rows + lanes + query_width + 2) +
         kTileKeys * (rows + query_width + value_width + 2 * kBlockQueries) +
         kPackedWeights<Operand>;
}

template <typename Number, typename Operand = Number>
constexpr BandedTiles<Number, Sum<Operand>> kTiles = {
    scratch_size<Operand>, forward_round<Number, Operand>, backward_round<Number, Operand>};

}  // namespace
}  // namespace sparse_transformer
