// Dropout, its gradient with sums over rows, and the residual sum (DroppedRows and ResidualRows of
// rows.h) on CUDA.
#include "model/kernels/rows.cuh"

namespace sparse_transformer {
namespace {

using row_kernels::DropoutFactors;
using row_kernels::kThreads;
using row_kernels::load;
using row_kernels::store;
using row_kernels::Tile;

/// The numbers of x at (row, column), dropped. They are written to y, too.
template <int kCount, typename T>
__device__ void drop_numbers(const DroppedRows<T>& params, const DropoutFactors<kCount>& dropout,
                             std::int64_t row, std::int64_t column, float (&numbers)[kCount]) {
  float factors[kCount];
  load(params.x + row * params.width + column, numbers);
  dropout.get(row, params.width, column, factors);
#pragma unroll
  for (int i = 0; i < kCount; ++i) numbers[i] *= factors[i];
  store(numbers, params.y + row * params.width + column);
}

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    drop_kernel(const __grid_constant__ DroppedRows<T> params, std::int64_t rows) {
  const DropoutFactors<kCount> dropout(params.mask);
  Tile<kCount>::of_block(params.width)
      .for_each(rows, params.width, [&](std::int64_t row, std::int64_t column) {
        float numbers[kCount];
        drop_numbers(params, dropout, row, column, numbers);
      });
}

/// sums: [stripes, 1, width], of what is written, before it is rounded.
template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    drop_and_sum_kernel(const __grid_constant__ DroppedRows<T> params, std::int64_t rows,
                        float* sums) {
  const DropoutFactors<kCount> dropout(params.mask);
  row_kernels::sum_tile<1>(Tile<kCount>::of_block(params.width), rows, params.width, sums,
                           [&](std::int64_t row, std::int64_t column, float(&own)[1][kCount]) {
                             float numbers[kCount];
                             drop_numbers(params, dropout, row, column, numbers);
#pragma unroll
                             for (int i = 0; i < kCount; ++i) own[0][i] += numbers[i];
                           });
}

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    residual_kernel(const __grid_constant__ ResidualRows<T, float> params, std::int64_t rows) {
  const std::int64_t width = params.width;
  const bool drops = params.mask.threshold != 0;
  const DropoutFactors<kCount> dropout(params.mask);
  Tile<kCount>::of_block(width).for_each(rows, width, [&](std::int64_t row, std::int64_t column) {
    float sum[kCount], y[kCount], bias[kCount], factors[kCount];
    load(params.h + row * width + column, sum);
    load(params.y + row * width + column, y);
    load(params.bias + column, bias);
    if (drops) dropout.get(row, width, column, factors);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float branch = y[i] + bias[i];
      sum[i] += drops ? branch * factors[i] : branch;
    }
    store(sum, params.out + row * width + column);
  });
}

}  // namespace

template <typename T>
int launch_drop(const DroppedRows<T>& params, std::int64_t rows, void* stream) {
  int code = 0;
  row_kernels::with_count<T>(params.width, {params.x, params.y}, [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    code = row_kernels::launch(drop_kernel<kCount, T>, Tile<kCount>::blocks(rows, params.width),
                               stream, params, rows);
  });
  return code;
}

template <typename T>
int launch_drop_and_sum(const DroppedRows<T>& params, std::int64_t rows, float* sums,
                        void* stream) {
  int code = 0;
  row_kernels::with_count<T>(params.width, {params.x, params.y}, [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    code =
        row_kernels::launch(drop_and_sum_kernel<kCount, T>,
                            Tile<kCount>::blocks(rows, params.width), stream, params, rows, sums);
  });
  return code;
}

template <typename T>
int launch_residual(const ResidualRows<T, float>& params, std::int64_t rows, void* stream) {
  int code = 0;
  row_kernels::with_count<T>(
      params.width, {params.h, params.y, params.bias, params.out}, [&](auto count) {
        constexpr int kCount = decltype(count)::value;
        code = row_kernels::launch(residual_kernel<kCount, T>,
                                   Tile<kCount>::blocks(rows, params.width), stream, params, rows);
      });
  return code;
}

template int launch_drop(const DroppedRows<float>&, std::int64_t, void*);
template int launch_drop(const DroppedRows<Bfloat16>&, std::int64_t, void*);
template int launch_drop(const DroppedRows<Float16>&, std::int64_t, void*);
template int launch_drop_and_sum(const DroppedRows<float>&, std::int64_t, float*, void*);
template int launch_drop_and_sum(const DroppedRows<Bfloat16>&, std::int64_t, float*, void*);
template int launch_drop_and_sum(const DroppedRows<Float16>&, std::int64_t, float*, void*);
template int launch_residual(const ResidualRows<float>&, std::int64_t, void*);
template int launch_residual(const ResidualRows<Bfloat16, float>&, std::int64_t, void*);
template int launch_residual(const ResidualRows<Float16, float>&, std::int64_t, void*);

}  // namespace sparse_transformer
