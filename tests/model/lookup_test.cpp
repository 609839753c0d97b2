#include "model/lookup.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

namespace sparse_transformer {
namespace {

struct Results {
  at::Tensor rows, d_table;
};

template <typename Lookup>
Results run(const Lookup& look_up, const at::Tensor& table, const at::Tensor& index) {
  const at::Tensor leaf = table.detach().clone().requires_grad_(true);
  const at::Tensor rows = look_up(leaf, index);
  at::manual_seed(2);
  const at::Tensor d_rows = at::randn(rows.sizes(), at::kDouble).to(rows.scalar_type());
  return {rows.detach(), torch::autograd::grad({rows}, {leaf}, {d_rows}).front()};
}

// Indices that occur often and never, more of them than are taken at once, and none.
TEST(Lookup, ByProductEqualsTheGradientOfLibTorch) {
  at::manual_seed(1);
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{3, 50}, {70000}, {0, 4}}) {
    const at::Tensor table = at::randn({20, 6}, at::kDouble);
    const at::Tensor index = at::randint(3, 19, shape, at::kLong);
    const Results plain = run(lookup, table, index);
    const Results fast = run(lookup_by_product, table, index);
    EXPECT_TRUE(at::equal(fast.rows, plain.rows));
    EXPECT_TRUE(at::allclose(fast.d_table, plain.d_table, 1e-12, 1e-12));
  }
}

}  // namespace
}  // namespace sparse_transformer
