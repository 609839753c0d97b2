#include "tests/cuda/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

class PtxDevice : public ::testing::Test {
 protected:
  PtxDevice() {
    device_.add_module(
        ".visible .entry plain() { ret; }\n"
        ".visible .entry bounded() .maxntid 256 { ret; }\n");
    device_.add_module(".visible .entry sharing() { .shared .align 4 .b8 own[40960]; ret; }");
  }
  bool accepts_blocks(Size3 grid) { return device_.accepts("plain", {.grid = grid}); }
  bool accepts_threads(Size3 block, const std::string& kernel = "plain") {
    return device_.accepts(kernel, {.block = block});
  }
  bool accepts_shared(std::uint32_t bytes, const std::string& kernel = "plain") {
    return device_.accepts(kernel, {.dynamic_shared_bytes = bytes});
  }

  Device device_;
};

TEST_F(PtxDevice, KnowsTheKernelsOfItsModules) {
  EXPECT_THAT(device_.kernel_names(),
              ::testing::UnorderedElementsAre("plain", "bounded", "sharing"));
  EXPECT_EQ(device_.kernel("bounded").most_threads, 256);
  EXPECT_THROW(device_.kernel("missing"), std::logic_error);
}

TEST_F(PtxDevice, AcceptsAsManyBlocksAsAGpu) {
  EXPECT_TRUE(accepts_blocks({1, 1, 1}));
  EXPECT_TRUE(accepts_blocks({0x7fffffff, 1, 1}));
  EXPECT_TRUE(accepts_blocks({1, 65535, 65535}));
  EXPECT_FALSE(accepts_blocks({0, 1, 1}));
  EXPECT_FALSE(accepts_blocks({1, 0, 1}));
  EXPECT_FALSE(accepts_blocks({1, 1, 0}));
  EXPECT_FALSE(accepts_blocks({0x80000000, 1, 1}));
  EXPECT_FALSE(accepts_blocks({1, 65536, 1}));
  EXPECT_FALSE(accepts_blocks({1, 1, 65536}));
}

TEST_F(PtxDevice, AcceptsAsManyThreadsAsAGpuAndTheKernel) {
  EXPECT_TRUE(accepts_threads({1024, 1, 1}));
  EXPECT_TRUE(accepts_threads({16, 1, 64}));
  EXPECT_FALSE(accepts_threads({0, 1, 1}));
  EXPECT_FALSE(accepts_threads({1025, 1, 1}));
  EXPECT_FALSE(accepts_threads({32, 33, 1}));
  EXPECT_FALSE(accepts_threads({1, 1, 65}));
  EXPECT_TRUE(accepts_threads({256, 1, 1}, "bounded"));
  EXPECT_FALSE(accepts_threads({257, 1, 1}, "bounded"));
}

TEST_F(PtxDevice, MoreThanFortyEightKilobytesMustBeAllowed) {
  EXPECT_TRUE(accepts_shared(48 * 1024));
  EXPECT_FALSE(accepts_shared(48 * 1024 + 1));
  EXPECT_TRUE(device_.allow_dynamic_shared("plain", 100 * 1024));
  EXPECT_TRUE(accepts_shared(100 * 1024));
  EXPECT_FALSE(accepts_shared(100 * 1024 + 1));
  EXPECT_FALSE(accepts_shared(48 * 1024 + 1, "bounded")) << "each kernel by itself";
}

TEST_F(PtxDevice, StaticSharedMemoryCounts) {
  EXPECT_TRUE(accepts_shared(8 * 1024, "sharing"));
  EXPECT_FALSE(accepts_shared(8 * 1024 + 1, "sharing"));
  EXPECT_FALSE(device_.allow_dynamic_shared("sharing", 200 * 1024));
  EXPECT_TRUE(device_.allow_dynamic_shared("sharing", 187 * 1024));
  EXPECT_TRUE(accepts_shared(187 * 1024, "sharing"));
}

TEST_F(PtxDevice, ThereIsNoMoreThanAGpuHas) {
  EXPECT_TRUE(device_.allow_dynamic_shared("plain", 227 * 1024));
  EXPECT_FALSE(device_.allow_dynamic_shared("plain", 227 * 1024 + 1));
}

TEST_F(PtxDevice, GivesParametersOfAnySizeToTheKernel) {
  device_.add_module(
      ".visible .entry parameters(.param .u32 small, .param .align 8 .b8 large[16], "
      ".param .u64 to) {\n .reg .b32 %r<4>;\n .reg .b64 %d<4>;\n ld.param.u32 %r1, [small];\n"
      "ld.param.u64 %d1, [large+8];\n ld.param.u64 %d2, [to];\n st.global.u32 [%d2], %r1;\n"
      "st.global.u64 [%d2+8], %d1;\n ret;\n}");
  std::uint32_t small = 7;
  std::uint64_t large[2] = {8, 9};
  void* to = device_.memory().allocate(16);
  void* arguments[] = {&small, large, &to};
  device_.launch("parameters", {}, arguments);
  std::uint64_t results[2] = {};
  device_.memory().host_read(results, to, 4);
  device_.memory().host_read(results + 1, static_cast<char*>(to) + 8, 8);
  EXPECT_EQ(results[0], 7U);
  EXPECT_EQ(results[1], 9U);
}

}  // namespace
}  // namespace ptx
