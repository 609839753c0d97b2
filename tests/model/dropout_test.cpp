#include "model/dropout.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "model/fused_rows.h"

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

/// Widths that hold whole calls of Philox and that do not, sequences of one row and of many.
const std::vector<std::vector<std::int64_t>> kShapes = {
    {2, 3, 64}, {3, 5, 37}, {4, 1}, {7, 13}, {2, 2, 1031}};

std::vector<at::Tensor> dropped_with_gradient(const at::Tensor& values, const DropoutPlace& place,
                                              Kernels kernels) {
  const at::Tensor x = values.detach().requires_grad_(true);
  const at::Tensor y = dropout(x, 0.3, place, kernels);
  return {y.detach(), torch::autograd::grad({y}, {x}, {values + 1})[0]};
}

TEST(Dropout, FusedKernelsDrawTheMaskOfPlainOnesInEveryType) {
  const DropoutPlace place{
      .seed = (std::uint64_t{7} << 40) + 5, .step = 3, .first_sequence = 2, .site = kPositionSite};
  at::manual_seed(1);
  for (const auto& shape : kShapes) {
    SCOPED_TRACE(shape.back());
    const at::Tensor x = at::randn(shape, at::kDouble);
    for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf}) {
      const auto fused = dropped_with_gradient(x.to(type), place, Kernels::kFused);
      const auto plain = dropped_with_gradient(x.to(type), place, Kernels::kPlain);
      EXPECT_TRUE(at::equal(fused[0], plain[0])) << type;
      EXPECT_TRUE(at::equal(fused[1], plain[1])) << type;
    }
  }
}

TEST(Dropout, EveryInstructionSetDrawsTheSameMask) {
  constexpr std::int64_t kRows = 6;
  constexpr std::int64_t kWidth = 333;
  const DropoutPlace place{.seed = 9, .step = 1, .first_sequence = 4, .site = 2};
  const at::Tensor x = at::ones({2, kRows / 2, kWidth});
  const at::Tensor plain = dropout(x, 0.3, place, Kernels::kPlain);
  const RowMask mask = KeptDropout(0.3, place).mask(x);
  for (const RowInstructionSet* instructions : row_instruction_sets()) {
    SCOPED_TRACE(instructions->name);
    const at::Tensor y = at::empty_like(x);
    const DroppedRows<float> work = {kWidth, x.const_data_ptr<float>(), y.data_ptr<float>(), mask};
    instructions->float32.drop(work, {0, kRows});
    EXPECT_TRUE(at::equal(y, plain));
    const at::Tensor sums = at::ones({kWidth});
    instructions->float32.drop_and_sum(work, {0, kRows}, sums.data_ptr<float>());
    EXPECT_TRUE(at::equal(y, plain));
    EXPECT_TRUE(sums.allclose(1 + plain.flatten(0, 1).sum(0)));
  }
}

TEST(Dropout, TheStepCanLieInMemory) {
  const at::Tensor x = at::ones({2, 3, 20});
  for (const Kernels kernels : {Kernels::kFused, Kernels::kPlain}) {
    DropoutPlace place{.seed = 1};
    place.step_on_device = at::zeros({}, at::kLong);
    for (std::int64_t step = 0; step < 3; ++step) {
      place.step_on_device.fill_(step);
      const DropoutPlace told{.seed = 1, .step = step};
      EXPECT_TRUE(at::equal(dropout(x, 0.5, place, kernels), dropout(x, 0.5, told, kernels)));
    }
  }
}

}  // namespace
}  // namespace sparse_transformer
