#include "model/dropout.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "runtime/random.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kWords = 4;  // random words a call of philox gives

/// Whether each element of one sequence is kept.
void fill_mask(bool* mask, std::int64_t count, double p, const DropoutPlace& place,
               std::int64_t sequence) {
  const auto threshold = static_cast<std::uint32_t>(std::ldexp(p, 32));
  const auto step = static_cast<std::uint32_t>(place.step);
  const auto row = static_cast<std::uint32_t>(place.first_sequence + sequence);
  const auto site = static_cast<std::uint32_t>(place.site);
  constexpr std::int64_t kGrain = 4096;
  at::parallel_for(0, (count + kWords - 1) / kWords, kGrain,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t block = begin; block < end; ++block) {
                       const auto words =
                           philox(place.seed, {static_cast<std::uint32_t>(block), step, row, site});
                       for (std::int64_t i = 0; i < std::min(kWords, count - block * kWords); ++i) {
                         mask[block * kWords + i] = words[static_cast<std::size_t>(i)] >= threshold;
                       }
                     }
                   });
}

/// Scaled in float32 and rounded once, whatever the type: 1 / (1 - p) is no half in general.
class Dropout : public torch::autograd::Function<Dropout> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& mask, double factor) {
    context->save_for_backward({mask});
    context->saved_data["factor"] = factor;
    return at::native_dropout_backward(x, mask, factor);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_out) {
    const double factor = context->saved_data["factor"].toDouble();
    const at::Tensor mask = context->get_saved_variables()[0];
    return {at::native_dropout_backward(d_out[0], mask, factor), {}, {}};
  }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, double p, const DropoutPlace& place) {
  if (p == 0.0) return x;
  const at::Tensor mask = at::empty(x.sizes(), at::kBool);
  const std::int64_t count = x.numel() / x.size(0);
  for (std::int64_t sequence = 0; sequence < x.size(0); ++sequence) {
    fill_mask(mask.data_ptr<bool>() + sequence * count, count, p, place, sequence);
  }
  return Dropout::apply(x, mask.to(x.device()), 1.0 / (1.0 - p));
}

}  // namespace sparse_transformer
