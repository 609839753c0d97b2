#include "model/dropout.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "model/kernels/row_operations.h"
#include "runtime/random.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kWords = 4;  // random words a call of philox gives

/// An element is dropped where its word is below.
std::uint32_t threshold_of(double p) { return static_cast<std::uint32_t>(std::ldexp(p, 32)); }

/// Whether each element of one sequence is kept.
void fill_mask(bool* mask, std::int64_t count, double p, const DropoutPlace& place,
               std::int64_t sequence) {
  const std::uint32_t threshold = threshold_of(p);
  const auto step = static_cast<std::uint32_t>(
      place.step_on_device.defined() ? place.step_on_device.item<std::int64_t>() : place.step);
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
class PlainDropout : public torch::autograd::Function<PlainDropout> {
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

at::Tensor plain_dropout(const at::Tensor& x, double p, const DropoutPlace& place) {
  const at::Tensor mask = at::empty(x.sizes(), at::kBool);
  const std::int64_t count = x.numel() / x.size(0);
  for (std::int64_t sequence = 0; sequence < x.size(0); ++sequence) {
    fill_mask(mask.data_ptr<bool>() + sequence * count, count, p, place, sequence);
  }
  return PlainDropout::apply(x, mask.to(x.device()), 1.0 / (1.0 - p));
}

/// The type in which kernels of our own drop elements of x. The CPU's know no float16.
at::ScalarType dropped_type(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kHalf ? at::kFloat : x.scalar_type();
}

class Dropout : public torch::autograd::Function<Dropout> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const c10::intrusive_ptr<KeptDropout>& kept) {
    context->saved_data["kept"] = c10::IValue::make_capsule(kept);
    return dropped(x, *kept);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_out) {
    const auto kept = context->saved_data["kept"].toCapsule();
    return {dropped(d_out[0], static_cast<const KeptDropout&>(*kept)), {}};
  }

 private:
  static at::Tensor dropped(const at::Tensor& x, const KeptDropout& kept) {
    const at::Tensor numbers = x.to(dropped_type(x)).contiguous();
    return row_operations(x).drop(numbers, kept.mask(numbers)).to(x.scalar_type());
  }
};

}  // namespace

RowMask KeptDropout::mask(const at::Tensor& x) const {
  const at::Tensor& step = place.step_on_device;
  return {.seed = place.seed,
          .step = static_cast<std::uint32_t>(place.step),
          .first_sequence = static_cast<std::uint32_t>(place.first_sequence),
          .site = static_cast<std::uint32_t>(place.site),
          .step_in_memory = step.defined() ? step.const_data_ptr<std::int64_t>() : nullptr,
          .threshold = threshold_of(p),
          .factor = 1.0 / (1.0 - p),
          .sequence_rows = rows_of(x) / x.size(0)};
}

at::Tensor dropout(const at::Tensor& x, double p, const DropoutPlace& place, Kernels kernels) {
  if (p == 0.0) return x;
  if (kernels == Kernels::kPlain || !row_operations(x).serves(x.device(), dropped_type(x))) {
    return plain_dropout(x, p, place);
  }
  return Dropout::apply(x, c10::make_intrusive<KeptDropout>(p, place));
}

}  // namespace sparse_transformer
