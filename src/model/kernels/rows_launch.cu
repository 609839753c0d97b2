#include <cuda_runtime.h>

#include <initializer_list>
#include <type_traits>

#include "model/kernels/rows.cuh"
#include "model/kernels/rows_launch.h"
#include "runtime/cuda/thread.cuh"

namespace sparse_transformer {
namespace {

using row_kernels::kSharedNumbers;
using row_kernels::kThreads;
using row_kernels::Tile;

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    norm_kernel(const __grid_constant__ NormRows<T, float> work, std::int64_t rows) {
  CudaThread thread;
  row_kernels::norm<kCount>(thread, blockIdx.x, work, rows);
}

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    norm_gradient_kernel(const __grid_constant__ NormRowsGradient<T, float> work, std::int64_t rows,
                         float* sums) {
  __shared__ float shared[kSharedNumbers<2, kCount>];
  CudaThread thread;
  row_kernels::norm_gradient<kCount>(thread, blockIdx.x, work, rows, shared, sums);
}

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    drop_kernel(const __grid_constant__ DroppedRows<T> work, std::int64_t rows) {
  CudaThread thread;
  row_kernels::drop<kCount>(thread, blockIdx.x, work, rows);
}

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    drop_and_sum_kernel(const __grid_constant__ DroppedRows<T> work, std::int64_t rows,
                        float* sums) {
  __shared__ float shared[kSharedNumbers<1, kCount>];
  CudaThread thread;
  row_kernels::drop_and_sum<kCount>(thread, blockIdx.x, work, rows, shared, sums);
}

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    residual_kernel(const __grid_constant__ ResidualRows<T, float> work, std::int64_t rows) {
  CudaThread thread;
  row_kernels::residual<kCount>(thread, blockIdx.x, work, rows);
}

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    gelu_kernel(const __grid_constant__ GeluRows<T, float> work, std::int64_t rows) {
  CudaThread thread;
  row_kernels::gelu<kCount>(thread, blockIdx.x, work, rows);
}

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    gelu_gradient_kernel(const __grid_constant__ GeluRowsGradient<T, float> work, std::int64_t rows,
                         float* sums) {
  __shared__ float shared[kSharedNumbers<1, kCount>];
  CudaThread thread;
  row_kernels::gelu_gradient<kCount>(thread, blockIdx.x, work, rows, shared, sums);
}

/// Calls run(how many numbers of T a thread moves at once): as many as fill 16 bytes where rows
/// begin at multiples of that.
template <typename T, typename Run>
void with_count(std::int64_t width, std::initializer_list<const void*> pointers, const Run& run) {
  constexpr int kMost = 16 / sizeof(T);
  bool is_aligned = width % kMost == 0;
  for (const void* pointer : pointers) {
    is_aligned = is_aligned && reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
  }
  if (is_aligned) {
    run(std::integral_constant<int, kMost>());
  } else {
    run(std::integral_constant<int, 1>());
  }
}

template <typename... Parameters, typename... Arguments>
void start(void (*kernel)(Parameters...), std::int64_t blocks, void* stream,
           const Arguments&... arguments) {
  kernel<<<static_cast<unsigned>(blocks), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      arguments...);
}

}  // namespace

template <typename T>
int launch_norm(const NormRows<T, float>& work, std::int64_t rows, void* stream) {
  with_count<T>(work.width, {work.x, work.gain, work.shift, work.y}, [&](auto count) {
    start(norm_kernel<decltype(count)::value, T>, row_kernels::norm_blocks(rows), stream, work,
          rows);
  });
  return cudaGetLastError();
}

template <typename T>
int launch_norm_gradient(const NormRowsGradient<T, float>& work, std::int64_t rows, float* sums,
                         void* stream) {
  with_count<T>(work.width, {work.x, work.gain, work.d_y, work.d_other, work.d_x}, [&](auto count) {
    start(norm_gradient_kernel<decltype(count)::value, T>, stripes(rows), stream, work, rows, sums);
  });
  return cudaGetLastError();
}

template <typename T>
int launch_drop(const DroppedRows<T>& work, std::int64_t rows, void* stream) {
  with_count<T>(work.width, {work.x, work.y}, [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    start(drop_kernel<kCount, T>, Tile<kCount>::blocks(rows, work.width), stream, work, rows);
  });
  return cudaGetLastError();
}

template <typename T>
int launch_drop_and_sum(const DroppedRows<T>& work, std::int64_t rows, float* sums, void* stream) {
  with_count<T>(work.width, {work.x, work.y}, [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    start(drop_and_sum_kernel<kCount, T>, Tile<kCount>::blocks(rows, work.width), stream, work,
          rows, sums);
  });
  return cudaGetLastError();
}

template <typename T>
int launch_residual(const ResidualRows<T, float>& work, std::int64_t rows, void* stream) {
  with_count<T>(work.width, {work.h, work.y, work.bias, work.out}, [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    start(residual_kernel<kCount, T>, Tile<kCount>::blocks(rows, work.width), stream, work, rows);
  });
  return cudaGetLastError();
}

template <typename T>
int launch_gelu(const GeluRows<T, float>& work, std::int64_t rows, void* stream) {
  with_count<T>(work.width, {work.x, work.bias, work.y}, [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    start(gelu_kernel<kCount, T>, Tile<kCount>::blocks(rows, work.width), stream, work, rows);
  });
  return cudaGetLastError();
}

template <typename T>
int launch_gelu_gradient(const GeluRowsGradient<T, float>& work, std::int64_t rows, float* sums,
                         void* stream) {
  with_count<T>(work.width, {work.x, work.bias, work.d_y, work.d_x}, [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    start(gelu_gradient_kernel<kCount, T>, Tile<kCount>::blocks(rows, work.width), stream, work,
          rows, sums);
  });
  return cudaGetLastError();
}

#define SPARSE_TRANSFORMER_ROWS_OF(T)                                                        \
  template int launch_norm(const NormRows<T, float>&, std::int64_t, void*);                  \
  template int launch_norm_gradient(const NormRowsGradient<T, float>&, std::int64_t, float*, \
                                    void*);                                                  \
  template int launch_drop(const DroppedRows<T>&, std::int64_t, void*);                      \
  template int launch_drop_and_sum(const DroppedRows<T>&, std::int64_t, float*, void*);      \
  template int launch_residual(const ResidualRows<T, float>&, std::int64_t, void*);          \
  template int launch_gelu(const GeluRows<T, float>&, std::int64_t, void*);                  \
  template int launch_gelu_gradient(const GeluRowsGradient<T, float>&, std::int64_t, float*, void*);
SPARSE_TRANSFORMER_ROWS_OF(float)
SPARSE_TRANSFORMER_ROWS_OF(Bfloat16)
SPARSE_TRANSFORMER_ROWS_OF(HalfNumber<HalfType::kFloat16>)
#undef SPARSE_TRANSFORMER_ROWS_OF

}  // namespace sparse_transformer
