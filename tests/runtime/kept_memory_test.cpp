#include "runtime/kept_memory.h"

#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
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

std::int64_t resident_bytes() {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

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

// As oneDNN asks for it, for products in bfloat16 on processors that have them.
TEST_F(KeptMemoryTest, MemoryWithoutAnOwnerIsKeptToo) {
  c10::Allocator& memory = *c10::GetCPUAllocator();
  const auto use = [&](std::size_t size) {
    void* const place = memory.raw_allocate(size);
    std::memset(place, 1, size);
    memory.raw_deallocate(place);
    return place;
  };
  use(1000);
  void* const place = use(7 * kMebibyte);
  EXPECT_EQ(bytes(7 * kMebibyte).data_ptr(), place);
  EXPECT_EQ(memory.raw_allocate(0), nullptr);
}

TEST_F(KeptMemoryTest, IsGivenBackWhenAskedFor) {
  bytes(200 * kMebibyte).fill_(1);
  const std::int64_t before = resident_bytes();
  give_back_kept_memory();
  EXPECT_LT(resident_bytes(), before - 190 * kMebibyte);
}

// Large blocks that are kept make room for others before much more is taken than was ever in use,
// also after a request that nothing could fulfil.
TEST_F(KeptMemoryTest, OtherSizesTakeThePlaceOfWhatIsKept) {
  EXPECT_ANY_THROW(bytes(std::int64_t{1} << 60));
  for (std::int64_t size = 300; size > 0; size -= 20) bytes(size * kMebibyte).fill_(1);
  EXPECT_LT(resident_bytes(), 900 * kMebibyte);
}

TEST_F(KeptMemoryTest, WhatCannotBeHadIsAnError) { EXPECT_ANY_THROW(bytes(std::int64_t{1} << 60)); }

}  // namespace
}  // namespace sparse_transformer
