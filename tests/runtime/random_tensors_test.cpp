#include "runtime/random_tensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sparse_transformer {
namespace {

TEST(RandomTensors, HaveTheSizesAndTypeAskedFor) {
  const at::Tensor x = RandomTensors(1)({2, 3, 5}, at::TensorOptions().dtype(at::kBFloat16));
  EXPECT_EQ(x.sizes(), at::IntArrayRef({2, 3, 5}));
  EXPECT_EQ(x.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(x.is_contiguous());
}

TEST(RandomTensors, AreStandardNormal) {
  const at::Tensor x = RandomTensors(1)({1000, 1000}, at::kFloat);
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 0.01);
  EXPECT_NEAR(x.std().item<double>(), 1.0, 0.01);
}

TEST(RandomTensors, RowsOfALongOneDiffer) {
  const at::Tensor x = RandomTensors(1)({300, 8192}, at::kFloat);
  EXPECT_EQ(std::get<0>(at::unique_dim(x, 0)).size(0), 300);
}

TEST(RandomTensors, RepeatForTheirSeedAndDifferFromOneToTheNext) {
  RandomTensors a(3), b(3), c(4);
  const at::Tensor first = a({5}, at::kFloat), second = a({5}, at::kFloat);
  EXPECT_TRUE(at::equal(first, b({5}, at::kFloat)));
  EXPECT_TRUE(at::equal(second, b({5}, at::kFloat)));
  EXPECT_FALSE(at::equal(first, second));
  EXPECT_FALSE(at::equal(first, c({5}, at::kFloat)));
}

TEST(RandomTensors, MayBeEmpty) {
  EXPECT_EQ(RandomTensors(1)({0, 4}, at::kFloat).sizes(), at::IntArrayRef({0, 4}));
}

}  // namespace
}  // namespace sparse_transformer
