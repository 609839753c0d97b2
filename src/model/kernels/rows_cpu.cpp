#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "attention/kernels/instructions.h"
#include "model/fused_rows.h"
#include "model/kernels/row_operations.h"
#include "runtime/numbers.h"

namespace sparse_transformer {

std::vector<const RowInstructionSet*> row_instruction_sets() {
  return runnable(baseline_rows, avx2_rows, avx512_rows);
}

template <typename T, typename P>
const RowKernels<T, P>& row_kernels() {
  static const RowInstructionSet& best = *row_instruction_sets().front();
  return kernels_of<T>(best);
}
template const RowKernels<float>& row_kernels();
template const RowKernels<double>& row_kernels();
template const RowKernels<Bfloat16, float>& row_kernels();

namespace {

/// Rows of a task: few enough to share them out, enough to be worth it. The number of threads does
/// not matter to it, so that sums are always formed in the same order.
constexpr std::int64_t kTaskRows = 128;

/// Calls run(rows) for all rows of `x`, in tasks.
template <typename Run>
void over_rows(const at::Tensor& x, const Run& run) {
  at::parallel_for(0, rows_of(x), kTaskRows, [&](std::int64_t begin, std::int64_t end) {
    run(RowRange{begin, end});
  });
}

/// The sums over all rows that run(rows, sums) adds to, P sums[count][width]: [count, width].
template <typename P, typename Run>
at::Tensor summed_over_rows(const at::Tensor& x, std::int64_t count, const Run& run) {
  const std::int64_t rows = rows_of(x);
  const std::int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  const at::Tensor sums =
      at::zeros({tasks, count, x.size(-1)}, x.options().dtype(c10::CppTypeToScalarType<P>::value));
  P* const first_sums = sums.data_ptr<P>();
  const std::int64_t numbers = sums.stride(0);
  at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first = task * kTaskRows;
      run(RowRange{first, std::min(first + kTaskRows, rows)}, first_sums + task * numbers);
    }
  });
  return sums.sum(0);
}

class CpuRowOperations : public RowOperations {
 public:
  bool serves(c10::Device /*device*/, at::ScalarType type) const override {
    return type == at::kFloat || type == at::kDouble || type == at::kBFloat16;
  }

  Normed norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& shift,
              double epsilon) const override {
    const at::Tensor mean = at::empty({rows_of(x)}, gain.options());
    const Normed normed = {at::empty_like(x), mean, at::empty_like(mean)};
    in_types_of(x, [&](auto number, auto parameter) {
      using T = decltype(number);
      using P = decltype(parameter);
      const NormRows<T, P> work = {.width = x.size(-1),
                                   .epsilon = static_cast<P>(epsilon),
                                   .x = numbers_of<T>(x),
                                   .gain = gain.const_data_ptr<P>(),
                                   .shift = shift.const_data_ptr<P>(),
                                   .y = mutable_numbers_of<T>(normed.y),
                                   .mean = normed.mean.mutable_data_ptr<P>(),
                                   .reciprocal = normed.reciprocal.mutable_data_ptr<P>()};
      over_rows(x, [&](RowRange rows) { row_kernels<T, P>().norm(work, rows); });
    });
    return normed;
  }

  NormGradient norm_gradient(const at::Tensor& x, const Normed& normed, const at::Tensor& gain,
                             const at::Tensor& d_y, const at::Tensor& d_other) const override {
    const at::Tensor d_x = at::empty_like(x);
    at::Tensor sums;
    in_types_of(x, [&](auto number, auto parameter) {
      using T = decltype(number);
      using P = decltype(parameter);
      const NormRowsGradient<T, P> work = {.width = x.size(-1),
                                           .x = numbers_of<T>(x),
                                           .gain = gain.const_data_ptr<P>(),
                                           .mean = normed.mean.const_data_ptr<P>(),
                                           .reciprocal = normed.reciprocal.const_data_ptr<P>(),
                                           .d_y = numbers_of<T>(d_y),
                                           .d_other = numbers_of<T>(d_other),
                                           .d_x = mutable_numbers_of<T>(d_x)};
      sums = summed_over_rows<P>(x, 2, [&](RowRange rows, P* into) {
        row_kernels<T, P>().norm_gradient(work, rows, into, into + work.width);
      });
    });
    return {d_x, sums[0], sums[1]};
  }

  at::Tensor drop(const at::Tensor& x, const RowMask& mask) const override {
    const at::Tensor y = at::empty_like(x);
    in_types_of(x, [&](auto number, auto parameter) {
      using T = decltype(number);
      using P = decltype(parameter);
      const DroppedRows<T> work = {x.size(-1), numbers_of<T>(x), mutable_numbers_of<T>(y), mask};
      over_rows(x, [&](RowRange rows) { row_kernels<T, P>().drop(work, rows); });
    });
    return y;
  }

  SummedGradient drop_and_sum(const at::Tensor& x, const RowMask& mask) const override {
    const at::Tensor y = at::empty_like(x);
    at::Tensor sums;
    in_types_of(x, [&](auto number, auto parameter) {
      using T = decltype(number);
      using P = decltype(parameter);
      const DroppedRows<T> work = {x.size(-1), numbers_of<T>(x), mutable_numbers_of<T>(y), mask};
      sums = summed_over_rows<P>(x, 1, [&](RowRange rows, P* into) {
        row_kernels<T, P>().drop_and_sum(work, rows, into);
      });
    });
    return {y, sums[0]};
  }

  at::Tensor residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias,
                      const RowMask& mask) const override {
    const at::Tensor out = at::empty_like(h);
    in_types_of(h, [&](auto number, auto parameter) {
      using T = decltype(number);
      using P = decltype(parameter);
      const ResidualRows<T, P> work = {.width = h.size(-1),
                                       .h = numbers_of<T>(h),
                                       .y = numbers_of<T>(y),
                                       .bias = bias.const_data_ptr<P>(),
                                       .out = mutable_numbers_of<T>(out),
                                       .mask = mask};
      over_rows(h, [&](RowRange rows) { row_kernels<T, P>().residual(work, rows); });
    });
    return out;
  }

  at::Tensor gelu(const at::Tensor& x, const at::Tensor& bias) const override {
    const at::Tensor y = at::empty_like(x);
    in_types_of(x, [&](auto number, auto parameter) {
      using T = decltype(number);
      using P = decltype(parameter);
      const GeluRows<T, P> work = {.width = x.size(-1),
                                   .x = numbers_of<T>(x),
                                   .bias = bias.const_data_ptr<P>(),
                                   .y = mutable_numbers_of<T>(y)};
      over_rows(x, [&](RowRange rows) { row_kernels<T, P>().gelu(work, rows); });
    });
    return y;
  }

  SummedGradient gelu_gradient(const at::Tensor& x, const at::Tensor& bias,
                               const at::Tensor& d_y) const override {
    const at::Tensor d_x = at::empty_like(x);
    at::Tensor sums;
    in_types_of(x, [&](auto number, auto parameter) {
      using T = decltype(number);
      using P = decltype(parameter);
      const GeluRowsGradient<T, P> work = {.width = x.size(-1),
                                           .x = numbers_of<T>(x),
                                           .bias = bias.const_data_ptr<P>(),
                                           .d_y = numbers_of<T>(d_y),
                                           .d_x = mutable_numbers_of<T>(d_x)};
      sums = summed_over_rows<P>(x, 1, [&](RowRange rows, P* into) {
        row_kernels<T, P>().gelu_gradient(work, rows, into);
      });
    });
    return {d_x, sums[0]};
  }
};

}  // namespace

const RowOperations& cpu_row_operations() {
  static const CpuRowOperations operations;
  return operations;
}

}  // namespace sparse_transformer
