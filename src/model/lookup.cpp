#include "model/lookup.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace sparse_transformer {
namespace {

class LookupByProduct : public torch::autograd::Function<LookupByProduct> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& table,
                            const at::Tensor& index) {
    context->save_for_backward({index});
    context->saved_data["rows"] = table.size(0);
    return at::embedding(table, index);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_out) {
    constexpr std::int64_t kAtOnce = 1 << 16;  // indices, so that their one-hot vectors stay small
    const at::Tensor index = context->get_saved_variables()[0].flatten();
    const at::Tensor d_rows = d_out[0].reshape({index.numel(), d_out[0].size(-1)});
    const at::Tensor rows = at::arange(context->saved_data["rows"].toInt(), index.options());
    const at::Tensor d_table = at::zeros({rows.size(0), d_rows.size(1)}, d_rows.options());
    for (std::int64_t first = 0; first < index.numel(); first += kAtOnce) {
      const std::int64_t count = std::min(kAtOnce, index.numel() - first);
      const at::Tensor one_hot =
          rows.unsqueeze(1).eq(index.narrow(0, first, count)).to(d_rows.scalar_type());
      d_table.addmm_(one_hot, d_rows.narrow(0, first, count));
    }
    return {d_table, {}};
  }
};

}  // namespace

at::Tensor lookup(const at::Tensor& table, const at::Tensor& index) {
  return table.is_cuda() ? lookup_by_product(table, index) : at::embedding(table, index);
}

at::Tensor lookup_by_product(const at::Tensor& table, const at::Tensor& index) {
  return LookupByProduct::apply(table, index);
}

}  // namespace sparse_transformer
