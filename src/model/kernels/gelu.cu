// The non-linearity after a bias, and its gradient with the bias's (GeluRows and GeluRowsGradient
// of rows.h) on CUDA.
#include "model/kernels/gelu.cuh"
#include "model/kernels/rows.cuh"

namespace sparse_transformer {
namespace {

using row_kernels::kThreads;
using row_kernels::load;
using row_kernels::store;
using row_kernels::Tile;

template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    gelu_kernel(const __grid_constant__ GeluRows<T, float> params, std::int64_t rows) {
  const std::int64_t width = params.width;
  Tile<kCount>::of_block(width).for_each(rows, width, [&](std::int64_t row, std::int64_t column) {
    float x[kCount], bias[kCount];
    load(params.x + row * width + column, x);
    load(params.bias + column, bias);
#pragma unroll
    for (int i = 0; i < kCount; ++i) x[i] = gelu(x[i] + bias[i]);
    store(x, params.y + row * width + column);
  });
}

/// sums: [stripes, 1, width], of d_bias.
template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    gelu_gradient_kernel(const __grid_constant__ GeluRowsGradient<T, float> params,
                         std::int64_t rows, float* sums) {
  const std::int64_t width = params.width;
  row_kernels::sum_tile<1>(Tile<kCount>::of_block(width), rows, width, sums,
                           [&](std::int64_t row, std::int64_t column, float(&own)[1][kCount]) {
                             float x[kCount], bias[kCount], d[kCount];
                             load(params.x + row * width + column, x);
                             load(params.bias + column, bias);
                             load(params.d_y + row * width + column, d);
#pragma unroll
                             for (int i = 0; i < kCount; ++i) {
                               d[i] *= gelu_derivative(x[i] + bias[i]);
                               own[0][i] += d[i];
                             }
                             store(d, params.d_x + row * width + column);
                           });
}

}  // namespace

template <typename T>
int launch_gelu(const GeluRows<T, float>& params, std::int64_t rows, void* stream) {
  int code = 0;
  row_kernels::with_count<T>(params.width, {params.x, params.bias, params.y}, [&](auto count) {
    constexpr int kCount = decltype(count)::value;
    code = row_kernels::launch(gelu_kernel<kCount, T>, Tile<kCount>::blocks(rows, params.width),
                               stream, params, rows);
  });
  return code;
}

template <typename T>
int launch_gelu_gradient(const GeluRowsGradient<T, float>& params, std::int64_t rows, float* sums,
                         void* stream) {
  int code = 0;
  row_kernels::with_count<T>(params.width, {params.x, params.bias, params.d_y, params.d_x},
                             [&](auto count) {
                               constexpr int kCount = decltype(count)::value;
                               code = row_kernels::launch(gelu_gradient_kernel<kCount, T>,
                                                          Tile<kCount>::blocks(rows, params.width),
                                                          stream, params, rows, sums);
                             });
  return code;
}

template int launch_gelu(const GeluRows<float>&, std::int64_t, void*);
template int launch_gelu(const GeluRows<Bfloat16, float>&, std::int64_t, void*);
template int launch_gelu(const GeluRows<Float16, float>&, std::int64_t, void*);
template int launch_gelu_gradient(const GeluRowsGradient<float>&, std::int64_t, float*, void*);
template int launch_gelu_gradient(const GeluRowsGradient<Bfloat16, float>&, std::int64_t, float*,
                                  void*);
template int launch_gelu_gradient(const GeluRowsGradient<Float16, float>&, std::int64_t, float*,
                                  void*);

}  // namespace sparse_transformer
