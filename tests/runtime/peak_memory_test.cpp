#include "runtime/peak_memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sparse_transformer {
namespace {

constexpr std::int64_t kMebibyte = 1 << 20;

void fill_and_free(std::int64_t mebibytes) { at::ones({mebibytes * kMebibyte}, at::kByte); }

TEST(PeakMemory, IsWhatWasInUseAtMostSinceItsConstruction) {
  fill_and_free(512);
  const PeakMemory memory(at::kCPU);
  if (!memory.growth()) GTEST_SKIP() << "the system does not tell";
  EXPECT_LT(*memory.growth(), 32 * kMebibyte);
  fill_and_free(128);
  EXPECT_GE(*memory.growth(), 120 * kMebibyte);
  EXPECT_LT(*memory.growth(), 160 * kMebibyte);
  fill_and_free(16);
  EXPECT_LT(*memory.growth(), 160 * kMebibyte);
}

TEST(PeakMemory, DoesNotCountWhatStays) {
  const at::Tensor kept = at::ones({128 * kMebibyte}, at::kByte);
  const PeakMemory memory(at::kCPU);
  if (!memory.growth()) GTEST_SKIP() << "the system does not tell";
  EXPECT_LT(*memory.growth(), 32 * kMebibyte);
}

}  // namespace
}  // namespace sparse_transformer
