#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include "model/kernels/row_operations.h"
#include "model/kernels/rows_launch.h"
#include "runtime/cuda/call.h"
#include "runtime/numbers.h"

namespace sparse_transformer {
namespace {

/// Calls run(a number of the kernels' type for x).
template <typename Run>
void in_kernel_type_of(const at::Tensor& x, const Run& run) {
  if (x.scalar_type() == at::kFloat) {
    run(float{});
  } else if (x.scalar_type() == at::kBFloat16) {
    run(Bfloat16{});
  } else {
    run(Float16{});
  }
}

/// Calls launch(for work on x, rows, stream).
template <typename Launch>
void launch_on(const at::Tensor& x, const Launch& launch) {
  if (x.numel() == 0) return;
  const c10::cuda::CUDAGuard device(x.device());
  check_launch(launch(rows_of(x), current_cuda_stream()), "a residual block");
}

/// Where a kernel puts its sums over rows, float32.
at::Tensor empty_sums(const at::Tensor& x, std::int64_t count) {
  return at::empty({stripes(rows_of(x)), count, x.size(-1)}, x.options().dtype(at::kFloat));
}

class CudaRowOperations : public RowOperations {
 public:
  bool serves(c10::Device device, at::ScalarType type) const override {
    return has_kernels_for(device) && (type == at::kFloat || at::isReducedFloatingType(type));
  }

  Normed norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& shift,
              double epsilon) const override {
    const at::Tensor mean = at::empty({rows_of(x)}, gain.options());
    const Normed normed = {at::empty_like(x), mean, at::empty_like(mean)};
    in_kernel_type_of(x, [&](auto number) {
      using T = decltype(number);
      const NormRows<T, float> work = {.width = x.size(-1),
                                       .epsilon = static_cast<float>(epsilon),
                                       .x = numbers_of<T>(x),
                                       .gain = gain.const_data_ptr<float>(),
                                       .shift = shift.const_data_ptr<float>(),
                                       .y = mutable_numbers_of<T>(normed.y),
                                       .mean = normed.mean.mutable_data_ptr<float>(),
                                       .reciprocal = normed.reciprocal.mutable_data_ptr<float>()};
      launch_on(x,
                [&](std::int64_t rows, void* stream) { return launch_norm(work, rows, stream); });
    });
    return normed;
  }

  NormGradient norm_gradient(const at::Tensor& x, const Normed& normed, const at::Tensor& gain,
                             const at::Tensor& d_y, const at::Tensor& d_other) const override {
    const at::Tensor d_x = at::empty_like(x);
    const at::Tensor sums = empty_sums(x, 2);
    in_kernel_type_of(x, [&](auto number) {
      using T = decltype(number);
      const NormRowsGradient<T, float> work = {
          .width = x.size(-1),
          .x = numbers_of<T>(x),
          .gain = gain.const_data_ptr<float>(),
          .mean = normed.mean.const_data_ptr<float>(),
          .reciprocal = normed.reciprocal.const_data_ptr<float>(),
          .d_y = numbers_of<T>(d_y),
          .d_other = numbers_of<T>(d_other),
          .d_x = mutable_numbers_of<T>(d_x)};
      launch_on(x, [&](std::int64_t rows, void* stream) {
        return launch_norm_gradient(work, rows, sums.mutable_data_ptr<float>(), stream);
      });
    });
    const at::Tensor total = sums.sum(0);
    return {d_x, total[0], total[1]};
  }

  at::Tensor drop(const at::Tensor& x, const RowMask& mask) const override {
    const at::Tensor y = at::empty_like(x);
    in_kernel_type_of(x, [&](auto number) {
      using T = decltype(number);
      const DroppedRows<T> work = {x.size(-1), numbers_of<T>(x), mutable_numbers_of<T>(y), mask};
      launch_on(x,
                [&](std::int64_t rows, void* stream) { return launch_drop(work, rows, stream); });
    });
    return y;
  }

  SummedGradient drop_and_sum(const at::Tensor& x, const RowMask& mask) const override {
    const at::Tensor y = at::empty_like(x);
    const at::Tensor sums = empty_sums(x, 1);
    in_kernel_type_of(x, [&](auto number) {
      using T = decltype(number);
      const DroppedRows<T> work = {x.size(-1), numbers_of<T>(x), mutable_numbers_of<T>(y), mask};
      launch_on(x, [&](std::int64_t rows, void* stream) {
        return launch_drop_and_sum(work, rows, sums.mutable_data_ptr<float>(), stream);
      });
    });
    return {y, sums.sum(0)[0]};
  }

  at::Tensor residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias,
                      const RowMask& mask) const override {
    const at::Tensor sum = at::empty_like(h);
    in_kernel_type_of(h, [&](auto number) {
      using T = decltype(number);
      const ResidualRows<T, float> work = {.width = h.size(-1),
                                           .h = numbers_of<T>(h),
                                           .y = numbers_of<T>(y),
                                           .bias = bias.const_data_ptr<float>(),
                                           .out = mutable_numbers_of<T>(sum),
                                           .mask = mask};
      launch_on(
          h, [&](std::int64_t rows, void* stream) { return launch_residual(work, rows, stream); });
    });
    return sum;
  }

  at::Tensor gelu(const at::Tensor& x, const at::Tensor& bias) const override {
    const at::Tensor y = at::empty_like(x);
    in_kernel_type_of(x, [&](auto number) {
      using T = decltype(number);
      const GeluRows<T, float> work = {.width = x.size(-1),
                                       .x = numbers_of<T>(x),
                                       .bias = bias.const_data_ptr<float>(),
                                       .y = mutable_numbers_of<T>(y)};
      launch_on(x,
                [&](std::int64_t rows, void* stream) { return launch_gelu(work, rows, stream); });
    });
    return y;
  }

  SummedGradient gelu_gradient(const at::Tensor& x, const at::Tensor& bias,
                               const at::Tensor& d_y) const override {
    const at::Tensor d_x = at::empty_like(x);
    const at::Tensor sums = empty_sums(x, 1);
    in_kernel_type_of(x, [&](auto number) {
      using T = decltype(number);
      const GeluRowsGradient<T, float> work = {.width = x.size(-1),
                                               .x = numbers_of<T>(x),
                                               .bias = bias.const_data_ptr<float>(),
                                               .d_y = numbers_of<T>(d_y),
                                               .d_x = mutable_numbers_of<T>(d_x)};
      launch_on(x, [&](std::int64_t rows, void* stream) {
        return launch_gelu_gradient(work, rows, sums.mutable_data_ptr<float>(), stream);
      });
    });
    return {d_x, sums.sum(0)[0]};
  }
};

}  // namespace

const RowOperations& cuda_row_operations() {
  static const CudaRowOperations operations;
  return operations;
}

}  // namespace sparse_transformer
