#include <cuda_runtime.h>

#include <type_traits>

#include "attention/kernels/band_backward.cuh"
#include "attention/kernels/band_forward.cuh"
#include "attention/kernels/union_launch.h"
#include "attention/kernels/warp.cuh"

namespace sparse_transformer {
namespace {

constexpr int kMostThreads = 32 * BandLaunch::kMostWarps;

/// Blocks that share a multiprocessor's registers: as many as there can be before the accumulators
/// no longer fit.
template <int kQuery, int kValue>
constexpr int kForwardBlocks = kQuery + kValue > 192 ? 3 : 1;
template <int kQuery>
constexpr int kBackwardBlocks = kQuery > 64 ? 2 : 3;

template <HalfType kType, int kQuery, int kValue>
__global__ void __launch_bounds__(kMostThreads, kForwardBlocks<kQuery, kValue>)
    forward_kernel(const BandCall call) {
  extern __shared__ uint4 shared[];
  CudaThread thread(blockIdx.x);
  union_kernels::forward<kType, kQuery, kValue>(thread, call,
                                                reinterpret_cast<std::uint16_t*>(shared));
}

/// Two blocks a tile, one after the other so that they share what they read: its queries, its keys.
template <HalfType kType, int kQuery, int kValue>
__global__ void __launch_bounds__(kMostThreads, kBackwardBlocks<kQuery>)
    backward_kernel(const BandCall call) {
  extern __shared__ uint4 shared[];
  CudaThread thread(blockIdx.x / 2);
  auto* numbers = reinterpret_cast<std::uint16_t*>(shared);
  if (blockIdx.x % 2 == 0) {
    union_kernels::query_gradient<kType, kQuery, kValue>(thread, call, numbers);
  } else {
    union_kernels::key_gradient<kType, kQuery, kValue>(thread, call, numbers);
  }
}

template <HalfType kType>
__global__ void __launch_bounds__(kMostThreads)
    delta_kernel(const LayerMemory memory, int width, std::int64_t rows) {
  CudaThread thread(blockIdx.x);
  union_kernels::sum_delta<kType>(thread, memory, width, rows);
}

template <typename Kernel>
cudaError_t launch(Kernel kernel, const BandCall& call, std::int64_t blocks, int warps, int bytes,
                   void* stream) {
  const cudaError_t allowed =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (allowed != cudaSuccess) return allowed;
  kernel<<<static_cast<unsigned>(blocks), static_cast<unsigned>(32 * warps),
           static_cast<std::size_t>(bytes), static_cast<cudaStream_t>(stream)>>>(call);
  return cudaGetLastError();
}

/// Calls run(type, query width, value width) with the constants of the kernel that serves a call:
/// narrower heads leave columns of a tile at zero.
template <typename Run>
int with_kernel(const BandCall& call, HalfType type, const Run& run) {
  const auto with_value = [&](auto its_type, auto query) -> int {
    const int width = call.sizes.value_width;
    if (width <= 32) return run(its_type, query, std::integral_constant<int, 32>());
    if (width <= 64) return run(its_type, query, std::integral_constant<int, 64>());
    return run(its_type, query, std::integral_constant<int, 128>());
  };
  const auto with_query = [&](auto its_type) -> int {
    const int width = call.sizes.query_width;
    if (width <= 32) return with_value(its_type, std::integral_constant<int, 32>());
    if (width <= 64) return with_value(its_type, std::integral_constant<int, 64>());
    return with_value(its_type, std::integral_constant<int, 128>());
  };
  if (type == HalfType::kBfloat16) {
    return with_query(std::integral_constant<HalfType, HalfType::kBfloat16>());
  }
  return with_query(std::integral_constant<HalfType, HalfType::kFloat16>());
}

}  // namespace

bool launch_is_possible() {
  cudaFuncAttributes attributes;
  const auto known =
      cudaFuncGetAttributes(&attributes, delta_kernel<HalfType::kBfloat16>) == cudaSuccess;
  cudaGetLastError();  // not to be found by whoever asks next
  return known;
}

int launch_band_forward(const BandCall& call, HalfType type, void* stream) {
  return with_kernel(call, type, [&](auto its_type, auto query, auto value) -> int {
    constexpr int kQuery = decltype(query)::value;
    constexpr int kValue = decltype(value)::value;
    const BandLaunch shape = band_launch(call);
    return launch(forward_kernel<decltype(its_type)::value, kQuery, kValue>, call, shape.blocks,
                  shape.warps, union_kernels::forward_bytes<kQuery, kValue>(shape.warps), stream);
  });
}

int launch_band_backward(const BandCall& call, HalfType type, void* stream) {
  return with_kernel(call, type, [&](auto its_type, auto query, auto value) -> int {
    constexpr int kQuery = decltype(query)::value;
    constexpr int kValue = decltype(value)::value;
    const BandLaunch shape = band_launch(call);
    return launch(backward_kernel<decltype(its_type)::value, kQuery, kValue>, call,
                  2 * shape.blocks, shape.warps,
                  union_kernels::backward_bytes<kQuery, kValue>(shape.warps), stream);
  });
}

int launch_delta(const LayerMemory& memory, std::int64_t rows, std::int32_t value_width,
                 HalfType type, void* stream) {
  constexpr int kRowsABlock = kMostThreads / union_kernels::kDeltaThreads;
  const auto blocks = static_cast<unsigned>((rows + kRowsABlock - 1) / kRowsABlock);
  const auto kernel = type == HalfType::kBfloat16 ? delta_kernel<HalfType::kBfloat16>
                                                  : delta_kernel<HalfType::kFloat16>;
  kernel<<<blocks, kMostThreads, 0, static_cast<cudaStream_t>(stream)>>>(memory, value_width, rows);
  return cudaGetLastError();
}

const char* launch_error(int code) { return cudaGetErrorString(static_cast<cudaError_t>(code)); }

}  // namespace sparse_transformer
