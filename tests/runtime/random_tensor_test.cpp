#include "runtime/random_tensor.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sparse_transformer {
namespace {

TEST(RandomTensor, HasTheSizesAndTypeAskedFor) {
  const at::Tensor x = random_tensor({2, 3, 5}, at::TensorOptions().dtype(at::kBFloat16));
  EXPECT_EQ(x.sizes(), at::IntArrayRef({2, 3, 5}));
  EXPECT_EQ(x.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(x.is_contiguous());
}

TEST(RandomTensor, IsStandardNormal) {
  const at::Tensor x = random_tensor({1000, 1000}, at::kFloat);
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 0.01);
  EXPECT_NEAR(x.std().item<double>(), 1.0, 0.01);
}

TEST(RandomTensor, RowsOfALongOneDiffer) {
  const at::Tensor x = random_tensor({300, 8192}, at::kFloat);
  EXPECT_EQ(std::get<0>(at::unique_dim(x, 0)).size(0), 300);
}

TEST(RandomTensor, MayBeEmpty) {
  EXPECT_EQ(random_tensor({0, 4}, at::kFloat).sizes(), at::IntArrayRef({0, 4}));
}

}  // namespace
}  // namespace sparse_transformer
