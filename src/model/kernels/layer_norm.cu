// Layer normalisation and its gradient (NormRows and NormRowsGradient of rows.h) on CUDA.
#include "model/kernels/rows.cuh"
#include "runtime/cuda/warp.cuh"

namespace sparse_transformer {
namespace {

using row_kernels::kThreads;
using row_kernels::kWarps;
using row_kernels::load;
using row_kernels::store;
using row_kernels::Tile;

/// Calls visit(column) for this lane's numbers of a warp's row, kCount at a time.
template <int kCount, typename Visit>
__device__ void for_each_of_row(std::int64_t width, const Visit& visit) {
  for (std::int64_t column = static_cast<int>(threadIdx.x % 32) * kCount; column < width;
       column += 32 * kCount) {
    visit(column);
  }
}

/// A warp has a row, which it reads three times: all but the first time from the cache.
template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    norm_kernel(const __grid_constant__ NormRows<T, float> params, std::int64_t rows) {
  const std::int64_t width = params.width;
  const std::int64_t row = std::int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (row >= rows) return;
  const T* const x = params.x + row * width;
  float numbers[kCount];
  float sum = 0.0f;
  for_each_of_row<kCount>(width, [&](std::int64_t column) {
    load(x + column, numbers);
#pragma unroll
    for (int i = 0; i < kCount; ++i) sum += numbers[i];
  });
  const float mean = warp_sum(sum) / static_cast<float>(width);
  float squares = 0.0f;
  for_each_of_row<kCount>(width, [&](std::int64_t column) {
    load(x + column, numbers);
#pragma unroll
    for (int i = 0; i < kCount; ++i) squares += (numbers[i] - mean) * (numbers[i] - mean);
  });
  const float variance = warp_sum(squares) / static_cast<float>(width);
  const float reciprocal = 1.0f / sqrtf(variance + params.epsilon);
  for_each_of_row<kCount>(width, [&](std::int64_t column) {
    float gain[kCount], shift[kCount];
    load(x + column, numbers);
    load(params.gain + column, gain);
    load(params.shift + column, shift);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      numbers[i] = (numbers[i] - mean) * reciprocal * gain[i] + shift[i];
    }
    store(numbers, params.y + row * width + column);
  });
  if (threadIdx.x % 32 == 0) {
    params.mean[row] = mean;
    params.reciprocal[row] = reciprocal;
  }
}

/// d_x of a warp's row. With z = (x - mean) · r and g = d_y · gain:
/// d_x = d_other + r · (g - mean of g - z · mean of g·z).
template <int kCount, typename T>
__device__ void norm_gradient_of_row(std::int64_t row, const NormRowsGradient<T, float>& params) {
  const std::int64_t width = params.width, first = row * width;
  const float mean = params.mean[row], reciprocal = params.reciprocal[row];
  float z[kCount], g[kCount];
  const auto read = [&](std::int64_t column) {
    float gain[kCount];
    load(params.x + first + column, z);
    load(params.d_y + first + column, g);
    load(params.gain + column, gain);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      z[i] = (z[i] - mean) * reciprocal;
      g[i] *= gain[i];
    }
  };
  float sum = 0.0f, product = 0.0f;
  for_each_of_row<kCount>(width, [&](std::int64_t column) {
    read(column);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      sum += g[i];
      product += g[i] * z[i];
    }
  });
  const float mean_g = warp_sum(sum) / static_cast<float>(width);
  const float mean_gz = warp_sum(product) / static_cast<float>(width);
  for_each_of_row<kCount>(width, [&](std::int64_t column) {
    float d_x[kCount];
    load(params.d_other + first + column, d_x);
    read(column);
#pragma unroll
    for (int i = 0; i < kCount; ++i) d_x[i] += reciprocal * (g[i] - mean_g - z[i] * mean_gz);
    store(d_x, params.d_x + first + column);
  });
}

/// A block has a stripe: first its rows, a warp each, then its columns, when what they read lies in
/// the cache. sums: [stripes, 2, width], of d_gain and of d_shift.
template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    norm_gradient_kernel(const __grid_constant__ NormRowsGradient<T, float> params,
                         std::int64_t rows, float* sums) {
  const std::int64_t width = params.width;
  for (int i = static_cast<int>(threadIdx.x / 32); i < kStripeRows; i += kWarps) {
    const std::int64_t row = blockIdx.x * kStripeRows + i;
    if (row < rows) norm_gradient_of_row<kCount>(row, params);
  }
  for (std::int64_t first = 0; first < width; first += Tile<kCount>::kColumns) {
    row_kernels::sum_tile<2>(Tile<kCount>{blockIdx.x, first}, rows, width, sums,
                             [&](std::int64_t row, std::int64_t column, float(&own)[2][kCount]) {
                               float x[kCount], d_y[kCount];
                               load(params.x + row * width + column, x);
                               load(params.d_y + row * width + column, d_y);
                               const float mean = params.mean[row],
                                           reciprocal = params.reciprocal[row];
#pragma unroll
                               for (int i = 0; i < kCount; ++i) {
                                 own[0][i] += d_y[i] * ((x[i] - mean) * reciprocal);
                                 own[1][i] += d_y[i];
                               }
                             });
  }
}

}  // namespace

template <typename T>
int launch_norm(const NormRows<T, float>& params, std::int64_t rows, void* stream) {
  int code = 0;
  row_kernels::with_count<T>(
      params.width, {params.x, params.gain, params.shift, params.y}, [&](auto count) {
        code = row_kernels::launch(norm_kernel<decltype(count)::value, T>,
                                   (rows + kWarps - 1) / kWarps, stream, params, rows);
      });
  return code;
}

template <typename T>
int launch_norm_gradient(const NormRowsGradient<T, float>& params, std::int64_t rows, float* sums,
                         void* stream) {
  int code = 0;
  row_kernels::with_count<T>(
      params.width, {params.x, params.gain, params.d_y, params.d_other, params.d_x},
      [&](auto count) {
        code = row_kernels::launch(norm_gradient_kernel<decltype(count)::value, T>, stripes(rows),
                                   stream, params, rows, sums);
      });
  return code;
}

template int launch_norm(const NormRows<float>&, std::int64_t, void*);
template int launch_norm(const NormRows<Bfloat16, float>&, std::int64_t, void*);
template int launch_norm(const NormRows<Float16, float>&, std::int64_t, void*);
template int launch_norm_gradient(const NormRowsGradient<float>&, std::int64_t, float*, void*);
template int launch_norm_gradient(const NormRowsGradient<Bfloat16, float>&, std::int64_t, float*,
                                  void*);
template int launch_norm_gradient(const NormRowsGradient<Float16, float>&, std::int64_t, float*,
                                  void*);

}  // namespace sparse_transformer
