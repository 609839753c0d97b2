// The code of tiles.h. The rules of registers.inl hold here.
#include "attention/kernels/tiles_backward.inl"
#include "attention/kernels/tiles_forward.inl"

namespace sparse_transformer {
namespace {

/// Of the backward pass, which needs more than the forward pass.
template <typename T>
std::int64_t scratch_size(std::int64_t query_width, std::int64_t value_width) {
  return kRoundQueries * (3 * query_width + 2 * value_width + 2) +
         2 * kTileKeys * (query_width + value_width + kBlockQueries);
}

template <typename T>
constexpr BandedTiles<T> kTiles = {scratch_size<T>, forward_round<T>, backward_round<T>};

}  // namespace
}  // namespace sparse_transformer
