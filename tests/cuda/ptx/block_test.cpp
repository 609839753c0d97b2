#include "tests/cuda/ptx/block.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

constexpr const char* kShared = ".shared .align 16 .b8 memory[1024];";

/// Every thread gives its number to the one at the other end of the block of 100.
const std::string kReverse =
    "mov.u32 %r1, memory;\n mad.lo.u32 %r2, %tid, 4, %r1;\n add.u32 %r3, %tid, 7;\n"
    "st.shared.u32 [%r2], %r3;\n bar.sync 0;\n"
    "sub.u32 %r4, 99, %tid;\n mad.lo.u32 %r4, %r4, 4, %r1;\n ld.shared.u32 %r9, [%r4];\n" +
    element_address("%a0", 4) + "st.global.u32 [%d0], %r9;";

TEST(PtxBlock, WarpsMeetAtABarrier) {
  for (const bool backwards : {false, true}) {
    Snippet snippet(kReverse, kShared);
    snippet.device().schedule().backwards = backwards;
    snippet.give_unwritten(400);
    snippet.run_threads(100);
    const std::vector<std::uint32_t> numbers = snippet.read<std::uint32_t>(0, 100);
    for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(numbers[i], 99 - i + 7);
  }
}

TEST(PtxBlock, BarriersMayBePassedManyTimes) {
  // Number 0 is increased by each thread in its turn.
  Snippet snippet(
      "setp.eq.u32 %p1, %tid, 0;\n@%p1 st.shared.u32 [memory], 0;\n mov.u32 %r1, 0;\n"
      "$L_loop:\n bar.sync 0;\n setp.eq.u32 %p1, %tid, %r1;\n@%p1 ld.shared.u32 %r2, [memory];\n"
      "add.u32 %r2, %r2, 1;\n@%p1 st.shared.u32 [memory], %r2;\n add.u32 %r1, %r1, 1;\n"
      "setp.lt.u32 %p2, %r1, 70;\n@%p2 bra $L_loop;\n"
      "setp.eq.u32 %p1, %tid, 69;\n@%p1 st.global.u32 [%a0], %r2;",
      kShared);
  snippet.give_unwritten(4);
  snippet.run_threads(70);
  EXPECT_EQ(snippet.read<int>(0, 1)[0], 70);
}

TEST(PtxBlock, AWarpThatHasExitedIsNotWaitedFor) {
  EXPECT_EQ(Snippet("setp.lt.u32 %p1, %tid, 32;\n@%p1 ret;\n bar.sync 0;").fault_of_threads(96),
            "none");
}

TEST(PtxBlock, WarpsAtDifferentBarriersAreAFault) {
  EXPECT_EQ(Snippet("setp.lt.u32 %p1, %tid, 32;\n@%p1 bra $L_first;\n bar.sync 0;\n ret;\n"
                    "$L_first:\n bar.sync 0;")
                .fault({.grid = {2, 1, 1}, .block = {64, 1, 1}}),
            fault_at(0, 32, "bar.sync 0") + "threads wait at different barriers");
}

TEST(PtxBlock, KnowsItsPlaceInTheGrid) {
  Snippet snippet(
      "mov.u32 %r1, %ctaid.x;\n mov.u32 %r2, %ctaid.y;\n mov.u32 %r3, %ctaid.z;\n"
      "mov.u32 %r4, %nctaid.x;\n mov.u32 %r5, %nctaid.y;\n mov.u32 %r6, %nctaid.z;\n"
      "mad.lo.u32 %r7, %r3, %r5, %r2;\n mad.lo.u32 %r7, %r7, %r4, %r1;\n mul.wide.u32 %d1, %r7, "
      "4;\n"
      "add.u64 %d1, %d1, %a0;\n mad.lo.u32 %r8, %r1, 10, %r2;\n mad.lo.u32 %r8, %r8, 10, %r3;\n"
      "mad.lo.u32 %r8, %r8, 10, %r6;\n st.global.u32 [%d1], %r8;");
  snippet.give_unwritten(4 * 24);
  snippet.run({.grid = {2, 3, 4}});
  const std::vector<std::uint32_t> numbers = snippet.read<std::uint32_t>(0, 24);
  for (std::uint32_t i = 0; i < 24; ++i) {
    EXPECT_EQ(numbers[i], i % 2 * 1000 + i / 2 % 3 * 100 + i / 6 * 10 + 4);
  }
}

TEST(PtxBlock, SharedMemoryIsTheStaticAlignedAndTheDynamic) {
  Kernel kernel;
  kernel.static_shared_bytes = 20;
  Launch launch;
  launch.kernel = &kernel;
  EXPECT_EQ(launch.shared_bytes(), 32U);
  launch.dynamic_shared_bytes = 100;
  EXPECT_EQ(launch.shared_bytes(), 132U);
}

}  // namespace
}  // namespace ptx
