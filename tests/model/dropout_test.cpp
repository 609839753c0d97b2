#include "model/dropout.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sparse_transformer {
namespace {

TEST(Dropout, DropsTheShareItIsAskedToAndScalesTheRest) {
  const at::Tensor x = at::ones({4, 1000});
  const at::Tensor y = dropout(x, 0.25, {.seed = 1, .step = 3});
  EXPECT_NEAR(y.eq(0).to(at::kFloat).mean().item<double>(), 0.25, 0.02);
  EXPECT_TRUE(y.masked_select(y.ne(0)).allclose(at::full({}, 1 / 0.75)));
  EXPECT_TRUE(at::equal(dropout(x, 0.0, {}), x));
}

TEST(Dropout, MaskDependsOnThePlaceAndNotOnHowTheBatchIsSplit) {
  const at::Tensor x = at::ones({4, 7, 30});
  const DropoutPlace place{.seed = 1, .step = 3, .first_sequence = 2, .site = 5};
  const at::Tensor whole = dropout(x, 0.5, place);
  DropoutPlace later = place;
  later.first_sequence += 3;
  EXPECT_TRUE(at::equal(whole.narrow(0, 3, 1), dropout(x.narrow(0, 3, 1), 0.5, later)));
  EXPECT_TRUE(at::equal(whole, dropout(x, 0.5, place)));
  EXPECT_FALSE(at::equal(whole[0], whole[1]));
  for (DropoutPlace other :
       {DropoutPlace{2, 3, 2, 5}, DropoutPlace{1, 4, 2, 5}, DropoutPlace{1, 3, 2, 6}}) {
    EXPECT_FALSE(at::equal(whole, dropout(x, 0.5, other)));
  }
}

}  // namespace
}  // namespace sparse_transformer
