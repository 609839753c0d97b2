#include "runtime/kept_memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <thread>
#include <vector>

namespace sparse_transformer {
namespace {

class KeptMemoryTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { keep_freed_memory(); }
};

constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;

at::Tensor bytes(std::int64_t count) { return at::empty({count}, at::kByte); }

TEST_F(KeptMemoryTest, LargeTensorsOfNearlyOneSizeShareABlock) {
  at::Tensor x = bytes(33 * kMebibyte);
  const void* const place = x.data_ptr();
  x = at::Tensor();
  EXPECT_EQ(bytes(33 * kMebibyte + 1000).data_ptr(), place);
}

TEST_F(KeptMemoryTest, TensorsThatLiveDoNotOverlap) {
  std::vector<at::Tensor> tensors;
  for (std::int64_t i = 0; i < 20; ++i) {
    tensors.push_back(bytes(kMebibyte / 2 + i * kMebibyte / 4).fill_(i));
    if (i % 3 == 2) tensors.erase(tensors.begin() + i / 3);
  }
  for (const at::Tensor& x : tensors) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(x.data_ptr()) % 64, 0U);
    EXPECT_TRUE(x.eq(x[0]).all().item<bool>());
  }
}

TEST_F(KeptMemoryTest, OtherThreadsMayFree) {
  at::Tensor x = bytes(5 * kMebibyte);
  std::thread([moved = std::move(x)]() mutable { moved = at::Tensor(); }).join();
  EXPECT_EQ(bytes(5 * kMebibyte).fill_(1).sum().item<std::int64_t>(), 5 * kMebibyte);
}

TEST_F(KeptMemoryTest, IsGivenBackWhenAskedFor) {
  const auto resident = [] {
    std::int64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return pages * sysconf(_SC_PAGESIZE);
  };
  bytes(200 * kMebibyte).fill_(1);
  const std::int64_t before = resident();
  give_back_kept_memory();
  EXPECT_LT(resident(), before - 190 * kMebibyte);
}

TEST_F(KeptMemoryTest, WhatCannotBeHadIsAnError) { EXPECT_ANY_THROW(bytes(std::int64_t{1} << 60)); }

}  // namespace
}  // namespace sparse_transformer
