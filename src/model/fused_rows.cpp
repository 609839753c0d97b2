#include "model/fused_rows.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "attention/kernels/instructions.h"

namespace sparse_transformer {

std::vector<const RowInstructionSet*> row_instruction_sets() {
  return runnable(baseline_rows, avx2_rows, avx512_rows);
}

template <>
const RowKernels<float>& row_kernels() {
  static const RowInstructionSet& best = *row_instruction_sets().front();
  return best.float32;
}

template <>
const RowKernels<double>& row_kernels() {
  static const RowInstructionSet& best = *row_instruction_sets().front();
  return best.float64;
}

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::int64_t rows_of(const at::Tensor& x) { return x.numel() / x.size(-1); }

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

/// The sums over all rows that run(rows, sums [count, width]) adds to: [count, width].
template <typename Run>
at::Tensor summed_over_rows(const at::Tensor& x, std::int64_t count, const Run& run) {
  const std::int64_t rows = rows_of(x);
  const std::int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  const at::Tensor sums = at::zeros({tasks, count, x.size(-1)}, x.options());
  at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first = task * kTaskRows;
      run(RowRange{first, std::min(first + kTaskRows, rows)}, sums[task]);
    }
  });
  return sums.sum(0);
}

class PassAndNorm : public torch::autograd::Function<PassAndNorm> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x,
                               const at::Tensor& weight, const at::Tensor& bias, double epsilon) {
    const at::Tensor y = at::empty_like(x);
    const at::Tensor mean = at::empty({rows_of(x)}, x.options());
    const at::Tensor reciprocal = at::empty_like(mean);
    in_type_of(x, [&](auto number) {
      using T = decltype(number);
      const NormRows<T> norm = {.width = x.size(-1),
                                .epsilon = static_cast<T>(epsilon),
                                .x = x.const_data_ptr<T>(),
                                .gain = weight.const_data_ptr<T>(),
                                .shift = bias.const_data_ptr<T>(),
                                .y = y.data_ptr<T>(),
                                .mean = mean.data_ptr<T>(),
                                .reciprocal = reciprocal.data_ptr<T>()};
      over_rows(x, [&](RowRange rows) { row_kernels<T>().norm(norm, rows); });
    });
    context->save_for_backward({x, mean, reciprocal, weight});
    return {x, y};
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor d_passed = d_out[0].contiguous();
    const at::Tensor d_y = d_out[1].contiguous();
    const at::Tensor d_x = at::empty_like(x);
    at::Tensor sums;
    in_type_of(x, [&](auto number) {
      using T = decltype(number);
      const NormRowsGradient<T> norm = {.width = x.size(-1),
                                        .x = x.const_data_ptr<T>(),
                                        .gain = saved[3].const_data_ptr<T>(),
                                        .mean = saved[1].const_data_ptr<T>(),
                                        .reciprocal = saved[2].const_data_ptr<T>(),
                                        .d_y = d_y.const_data_ptr<T>(),
                                        .d_other = d_passed.const_data_ptr<T>(),
                                        .d_x = d_x.data_ptr<T>()};
      sums = summed_over_rows(x, 2, [&](RowRange rows, const at::Tensor& into) {
        row_kernels<T>().norm_gradient(norm, rows, into[0].data_ptr<T>(), into[1].data_ptr<T>());
      });
    });
    return {d_x, sums[0], sums[1], {}};
  }
};

class AddResidual : public torch::autograd::Function<AddResidual> {
 public:
  static at::Tensor forward(AutogradContext* /*context*/, const at::Tensor& h, const at::Tensor& y,
                            const at::Tensor& bias) {
    const at::Tensor out = at::empty_like(h);
    in_type_of(h, [&](auto number) {
      using T = decltype(number);
      const ResidualRows<T> residual = {.width = h.size(-1),
                                        .h = h.const_data_ptr<T>(),
                                        .y = y.const_data_ptr<T>(),
                                        .bias = bias.const_data_ptr<T>(),
                                        .out = out.data_ptr<T>()};
      over_rows(h, [&](RowRange rows) { row_kernels<T>().residual(residual, rows); });
    });
    return out;
  }

  static variable_list backward(AutogradContext* /*context*/, const variable_list& d_out) {
    return {d_out[0], d_out[0], d_out[0].flatten(0, -2).sum(0)};
  }
};

class Gelu : public torch::autograd::Function<Gelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& bias) {
    const at::Tensor y = at::empty_like(x);
    in_type_of(x, [&](auto number) {
      using T = decltype(number);
      const GeluRows<T> gelu = {.width = x.size(-1),
                                .x = x.const_data_ptr<T>(),
                                .bias = bias.const_data_ptr<T>(),
                                .y = y.data_ptr<T>()};
      over_rows(x, [&](RowRange rows) { row_kernels<T>().gelu(gelu, rows); });
    });
    context->save_for_backward({x, bias});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_out) {
    const auto saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor d_y = d_out[0].contiguous();
    const at::Tensor d_x = at::empty_like(x);
    at::Tensor sums;
    in_type_of(x, [&](auto number) {
      using T = decltype(number);
      const GeluRowsGradient<T> gelu = {.width = x.size(-1),
                                        .x = x.const_data_ptr<T>(),
                                        .bias = saved[1].const_data_ptr<T>(),
                                        .d_y = d_y.const_data_ptr<T>(),
                                        .d_x = d_x.data_ptr<T>()};
      sums = summed_over_rows(x, 1, [&](RowRange rows, const at::Tensor& into) {
        row_kernels<T>().gelu_gradient(gelu, rows, into.data_ptr<T>());
      });
    });
    return {d_x, sums[0]};
  }
};

}  // namespace

bool fuses_rows(const at::Tensor& x, Kernels kernels) {
  const bool is_full = x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble;
  return kernels == Kernels::kFused && x.is_cpu() && is_full;
}

PassedAndNormed pass_and_norm(const Norm& norm, const at::Tensor& x) {
  const auto both = PassAndNorm::apply(x.contiguous(), norm.weight, norm.bias, norm.epsilon);
  return {both[0], both[1]};
}

at::Tensor add_residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias) {
  return AddResidual::apply(h.contiguous(), y.contiguous(), bias);
}

at::Tensor gelu(const at::Tensor& x, const at::Tensor& bias) {
  return Gelu::apply(x.contiguous(), bias);
}

}  // namespace sparse_transformer
