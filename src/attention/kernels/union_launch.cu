#include <cuda_runtime.h>

#include <limits>
#include <type_traits>

#include "attention/kernels/band_backward.cuh"
#include "attention/kernels/band_forward.cuh"
#include "attention/kernels/band_turns.cuh"
#include "attention/kernels/union_launch.h"
#include "runtime/cuda/thread.cuh"

namespace sparse_transformer {
namespace {

constexpr int kMostThreads = 128;

/// Blocks that share a multiprocessor's registers: as many as there can be while the accumulators
/// fit, all but a few.
template <int kQuery, int kValue>
constexpr int kForwardBlocks = kQuery + kValue > 128 ? 3 : 4;
template <int kQuery>
constexpr int kBackwardBlocks = kQuery > 64 ? 2 : 3;

template <HalfType kType, int kQuery, int kValue>
__global__ void __launch_bounds__(kMostThreads, kForwardBlocks<kQuery, kValue>)
    forward_kernel(const __grid_constant__ UnionWork work, std::int32_t* counters) {
  extern __shared__ uint4 memory[];
  auto* shared = reinterpret_cast<std::uint16_t*>(memory);
  CudaThread thread;
  union_kernels::take_turn(thread, work, counters, shared, [&](const UnionWork::Turn& turn) {
    union_kernels::forward<kType, kQuery, kValue>(thread, work.bands[turn.band], turn.block,
                                                  shared);
  });
}

template <HalfType kType, int kQuery, int kValue>
__global__ void __launch_bounds__(kMostThreads, kBackwardBlocks<kQuery>)
    backward_kernel(const __grid_constant__ UnionWork work, std::int32_t* counters) {
  extern __shared__ uint4 memory[];
  auto* shared = reinterpret_cast<std::uint16_t*>(memory);
  CudaThread thread;
  union_kernels::take_turn(thread, work, counters, shared, [&](const UnionWork::Turn& turn) {
    union_kernels::backward<kType, kQuery, kValue>(thread, work.bands[turn.band], turn.block,
                                                   shared);
  });
}

template <HalfType kType>
__global__ void __launch_bounds__(kMostThreads)
    delta_kernel(const LayerMemory memory, int width, std::int64_t rows) {
  CudaThread thread;
  union_kernels::sum_delta<kType>(thread, blockIdx.x, memory, width, rows);
}

/// Blocks of a kernel that the device runs at once.
template <typename Kernel>
cudaError_t resident_blocks(Kernel kernel, int threads, int bytes, int& blocks) {
  int device = 0, multiprocessors = 0, blocks_each = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return error;
  error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
  if (error != cudaSuccess) return error;
  error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks_each, kernel, threads,
                                                        static_cast<std::size_t>(bytes));
  blocks = multiprocessors * blocks_each;
  return error;
}

template <typename Kernel>
cudaError_t launch(Kernel kernel, UnionWork& work, std::int32_t* counters, int bytes,
                   void* stream) {
  if (work.turns() > std::numeric_limits<std::int32_t>::max()) return cudaErrorInvalidConfiguration;
  const int threads = 32 * work.warps;
  cudaError_t error =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  int resident = 0;
  error = resident_blocks(kernel, threads, bytes, resident);
  if (error != cudaSuccess) return error;
  const std::int64_t lag = 1 + resident / work.round();
  work.lag = lag < work.slices ? static_cast<std::int32_t>(lag) : work.slices;
  kernel<<<static_cast<unsigned>(work.turns()), static_cast<unsigned>(threads),
           static_cast<std::size_t>(bytes), static_cast<cudaStream_t>(stream)>>>(work, counters);
  return cudaGetLastError();
}

/// Calls run(type, query width, value width) with the constants of the kernel that serves a call:
/// narrower heads leave columns of a tile at zero.
template <typename Run>
int with_kernel(const LayerSizes& sizes, HalfType type, const Run& run) {
  const auto with_value = [&](auto its_type, auto query) -> int {
    const int width = sizes.value_width;
    if (width <= 32) return run(its_type, query, std::integral_constant<int, 32>());
    if (width <= 64) return run(its_type, query, std::integral_constant<int, 64>());
    return run(its_type, query, std::integral_constant<int, 128>());
  };
  const auto with_query = [&](auto its_type) -> int {
    const int width = sizes.query_width;
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

int launch_forward(UnionWork work, std::int32_t* counters, HalfType type, void* stream) {
  return with_kernel(work.bands[0].sizes, type, [&](auto its_type, auto query, auto value) -> int {
    constexpr int kQuery = decltype(query)::value;
    constexpr int kValue = decltype(value)::value;
    return launch(forward_kernel<decltype(its_type)::value, kQuery, kValue>, work, counters,
                  union_kernels::forward_bytes<kQuery, kValue>(work.warps), stream);
  });
}

int launch_backward(UnionWork work, std::int32_t* counters, HalfType type, void* stream) {
  return with_kernel(work.bands[0].sizes, type, [&](auto its_type, auto query, auto value) -> int {
    constexpr int kQuery = decltype(query)::value;
    constexpr int kValue = decltype(value)::value;
    return launch(backward_kernel<decltype(its_type)::value, kQuery, kValue>, work, counters,
                  union_kernels::backward_bytes<kQuery, kValue>(work.warps), stream);
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

}  // namespace sparse_transformer
