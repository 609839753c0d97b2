// The device itself: operations of LibTorch, memory and graphs.
#include "tests/libtorch_cuda/operations.h"

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <gtest/gtest.h>

#include <optional>

#include "runtime/cuda/graph.h"

namespace libtorch_cuda {
namespace {

using sparse_transformer::CudaGraph;

at::Tensor numbers(const std::vector<double>& values) { return at::tensor(values).to(at::kCUDA); }

class LibtorchCudaOperations : public testing::Test {
 private:
  const c10::cuda::CUDAStreamGuard stream_{c10::cuda::getStreamFromPool(false, 0)};
};

TEST_F(LibtorchCudaOperations, AreComputedOnTheDevicesMemoryAndNoted) {
  forget_operations();
  const at::Tensor x = numbers({1, 2, 3, 4});
  const at::Tensor y = x.view({2, 2}).t() * 2;
  ASSERT_TRUE(y.is_cuda());
  EXPECT_TRUE(at::equal(y.cpu(), at::tensor({2.0, 6.0, 4.0, 8.0}).view({2, 2})));
  ASSERT_EQ(operations().size(), 3) << "a copy each way and a product; views are not noted";
  EXPECT_EQ(operations()[1].name, "aten::mul");
  EXPECT_EQ(operations()[1].args[0], "Double[2, 2]");
}

TEST_F(LibtorchCudaOperations, ViewsShareMemory) {
  const at::Tensor x = numbers({1, 2, 3, 4});
  x.narrow(0, 1, 2).zero_();
  EXPECT_TRUE(at::equal(x.cpu(), at::tensor({1.0, 0.0, 0.0, 4.0})));
}

TEST_F(LibtorchCudaOperations, GradientsComeFromTheDevicesThread) {
  const at::Tensor x = numbers({1, 2}).requires_grad_(true);
  (x * x).sum().backward();
  EXPECT_TRUE(at::equal(x.grad().cpu(), at::tensor({2.0, 4.0})));
}

TEST_F(LibtorchCudaOperations, WhatNobodyWroteIsNaN) {
  EXPECT_TRUE(at::empty({3}, at::TensorOptions(at::kCUDA)).isnan().all().item<bool>());
}

TEST_F(LibtorchCudaOperations, AGraphComputesWhenItIsReplayed) {
  const at::Tensor x = numbers({1, 2});
  std::optional<at::Tensor> y;
  const at::Tensor sum = numbers({0});
  CudaGraph graph([&] {
    y = at::arange(2, x.options()) + x * 10;
    sum.add_(y->sum());
  });
  EXPECT_EQ(sum.item<double>(), 0) << "nothing is carried out while it is recorded";
  x.copy_(at::tensor({3.0, 4.0}));
  graph.replay();
  EXPECT_TRUE(at::equal(y->cpu(), at::tensor({30.0, 41.0})));
  graph.replay();
  EXPECT_EQ(sum.item<double>(), 142);
}

TEST_F(LibtorchCudaOperations, AGraphThatWaitsForTheDeviceIsRefused) {
  const at::Tensor x = numbers({1});
  EXPECT_THROW(CudaGraph([&] { x.item<double>(); }), c10::Error);
  EXPECT_THROW(CudaGraph([&] { x.cpu(); }), c10::Error);
  EXPECT_EQ((x + 1).item<double>(), 2) << "the device works on";
}

TEST_F(LibtorchCudaOperations, AGraphThatReadsFreedMemoryFails) {
  std::optional<at::Tensor> x = numbers({1});
  const at::Tensor y = numbers({0});
  CudaGraph graph([&] { y.copy_(*x + 1); });
  graph.replay();
  EXPECT_EQ(y.item<double>(), 2);
  x.reset();
  EXPECT_THROW(graph.replay(), c10::Error);
}

}  // namespace
}  // namespace libtorch_cuda
