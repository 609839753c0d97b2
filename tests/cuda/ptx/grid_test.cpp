// The order of blocks, and blocks that wait for each other.
#include "tests/cuda/ptx/grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The first thread of each block takes a ticket; they are kept by block.
const std::string kTickets =
    "setp.ne.u32 %p1, %tid, 0;\n@%p1 ret;\n atom.global.add.u32 %r1, [%a1], 1;\n"
    "mul.wide.u32 %d1, %cta, 4;\n add.u64 %d1, %d1, %a0;\n st.global.u32 [%d1], %r1;";

std::vector<std::uint32_t> tickets(const Schedule& schedule, std::uint32_t blocks) {
  Snippet snippet(kTickets);
  snippet.device().schedule() = schedule;
  snippet.give_unwritten(4 * blocks);
  snippet.give(std::vector<std::uint32_t>(1));
  snippet.run({.grid = {blocks, 1, 1}, .block = {64, 1, 1}});
  return snippet.read<std::uint32_t>(0, blocks);
}

TEST(PtxGrid, BlocksRunInTheirOrderOrBackwards) {
  EXPECT_THAT(tickets({}, 5), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(tickets({.backwards = true}, 5), ElementsAre(4, 3, 2, 1, 0));
  EXPECT_THAT(tickets({.resident = 2}, 5), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(tickets({.backwards = true, .resident = 9}, 5), ElementsAre(4, 3, 2, 1, 0));
}

TEST(PtxGrid, WarpsRunInTheirOrderOrBackwards) {
  const auto first_warp = [](bool backwards) {
    Snippet snippet(
        "and.b32 %r1, %tid, 31;\n setp.ne.u32 %p1, %r1, 0;\n@%p1 ret;\n"
        "atom.global.add.u32 %r2, [%a1], 1;\n setp.eq.u32 %p1, %r2, 0;\n"
        "@%p1 st.global.u32 [%a0], %tid;");
    snippet.device().schedule().backwards = backwards;
    snippet.give_unwritten(4);
    snippet.give(std::vector<std::uint32_t>(1));
    snippet.run({.block = {96, 1, 1}});
    return snippet.read<std::uint32_t>(0, 1)[0] / 32;
  };
  EXPECT_EQ(first_warp(false), 0U);
  EXPECT_EQ(first_warp(true), 2U);
}

TEST(PtxGrid, ResidentBlocksTakeTurns) {
  // Block 0 takes 100 tickets, a few hundred instructions; block 1 gets one of its own meanwhile.
  const std::string slow =
      "mov.u32 %r2, 0;\n setp.eq.u32 %p1, %cta, 0;\n selp.b32 %r3, 100, 1, %p1;\n"
      "$L_loop:\n atom.global.add.u32 %r1, [%a1], 1;\n add.u32 %r2, %r2, 1;\n"
      "setp.lt.u32 %p2, %r2, %r3;\n@%p2 bra $L_loop;\n"
      "mul.wide.u32 %d1, %cta, 4;\n add.u64 %d1, %d1, %a0;\n st.global.u32 [%d1], %r1;";
  const auto last_tickets = [&](std::uint32_t resident) {
    Snippet snippet(slow);
    snippet.device().schedule().resident = resident;
    snippet.give_unwritten(8);
    snippet.give(std::vector<std::uint32_t>(1));
    snippet.run({.grid = {2, 1, 1}});
    return snippet.read<std::uint32_t>(0, 2);
  };
  EXPECT_THAT(last_tickets(1), ElementsAre(99, 100));
  const std::vector<std::uint32_t> together = last_tickets(2);
  EXPECT_EQ(together[0], 100U);
  EXPECT_LT(together[1], 99U);
  EXPECT_GT(together[1], 10U);
}

TEST(PtxGrid, CountsLaunchesAndBlocks) {
  Snippet snippet("");
  snippet.run({.grid = {3, 2, 1}, .block = {64, 1, 1}});
  snippet.run({.grid = {1, 1, 1}, .block = {1, 1, 1}});
  EXPECT_EQ(snippet.counters().launches, 2);
  EXPECT_EQ(snippet.counters().blocks, 7);
  EXPECT_EQ(snippet.counters().instructions % 13, 0) << "13 warps";
}

// Block 1 - `first` waits for what block `first` writes: 64 numbers, a barrier, a fence and a flag.

struct Protocol {
  std::string barrier = "bar.sync 0;\n";
  std::string fence = "membar.gl;\n";
  std::string read_flag = "ld.acquire.gpu.global.s32 %r2, [%a1];\n";
  std::string sleep = "nanosleep.u32 20;\n";
  std::string later_barrier = "bar.sync 0;\n";
};

const std::string kReadNumbers = "ld.global.u32 %r9, [%d0]";

class PtxHandover : public ::testing::Test {
 protected:
  std::string run(const Protocol& protocol, const Schedule& schedule, int first = 0) {
    const std::string is_first_thread = "setp.ne.u32 %p2, %tid, 0;\n";
    Snippet snippet(is_first_thread + element_address("%a0", 4) + "setp.ne.u32 %p1, %cta, " +
                    std::to_string(first) + ";\n@%p1 bra $L_second;\n" +
                    "add.u32 %r1, %tid, 50;\n st.global.u32 [%d0], %r1;\n" + protocol.barrier +
                    "@%p2 ret;\n" + protocol.fence + "atom.global.add.u32 %r1, [%a1], 1;\n ret;\n" +
                    "$L_second:\n@%p2 bra $L_ready;\n" + "$L_wait:\n" + protocol.read_flag +
                    "setp.ne.s32 %p3, %r2, 0;\n@%p3 bra $L_ready;\n" + protocol.sleep +
                    "bra.uni $L_wait;\n" + "$L_ready:\n" + protocol.later_barrier + kReadNumbers +
                    ";\n" + element_address("%a2", 4) + "st.global.u32 [%d0], %r9;");
    snippet.device().schedule() = schedule;
    snippet.give_unwritten(256);
    snippet.give(std::vector<int>(1));
    snippet.give(std::vector<int>(64));
    const std::string fault = snippet.fault({.grid = {2, 1, 1}, .block = {64, 1, 1}});
    numbers_ = snippet.read<int>(2, 64);
    return fault;
  }

  std::vector<int> numbers_;
};

TEST_F(PtxHandover, ABlockMayWaitForOneThatHasBegun) {
  for (const Schedule& schedule :
       {Schedule{}, Schedule{.resident = 2}, Schedule{.backwards = true, .resident = 2},
        Schedule{.resident = 7}}) {
    EXPECT_EQ(run({}, schedule), "none");
    EXPECT_EQ(numbers_[0], 50);
    EXPECT_EQ(numbers_[63], 113);
  }
}

TEST_F(PtxHandover, WithoutASleepAsWell) {
  EXPECT_EQ(run({.sleep = ""}, {.resident = 2}, 1), "none");
  EXPECT_EQ(numbers_[63], 113);
}

TEST_F(PtxHandover, ABlockThatWaitsForOneThatNeverBeginsIsAFault) {
  const std::string read_flag = "ld.acquire.gpu.global.s32 %r2, [%a1]";
  const std::string message = "blocks wait for what never comes";
  EXPECT_EQ(run({}, {}, 1), fault_at(0, 0, read_flag) + message);
  EXPECT_EQ(run({}, {.backwards = true}), fault_at(1, 0, read_flag) + message);
}

TEST_F(PtxHandover, AWaitWithoutASleepThatNeverEndsIsAFault) {
  EXPECT_THAT(run({.sleep = ""}, {}, 1), HasSubstr("blocks wait for what never comes"));
}

TEST_F(PtxHandover, ManyBlocksThatWaitForEverAreAFault) {
  Snippet snippet(
      "$L_wait:\n ld.acquire.gpu.global.s32 %r1, [%a0];\n setp.ne.s32 %p1, %r1, 0;\n"
      "nanosleep.u32 20;\n@!%p1 bra $L_wait;\n");
  snippet.device().schedule().resident = 100;
  snippet.give(std::vector<int>(1));
  EXPECT_THAT(snippet.fault({.grid = {100, 1, 1}, .block = {64, 1, 1}}),
              HasSubstr("blocks wait for what never comes"));
}

TEST_F(PtxHandover, ALongComputationIsNoWait) {
  Snippet snippet(
      "mov.u32 %r1, 0;\n$L_loop:\n add.u32 %r1, %r1, 1;\n setp.lt.u32 %p1, %r1, "
      "200000;\n@%p1 bra $L_loop;\n");
  snippet.device().schedule().resident = 2;
  EXPECT_EQ(snippet.fault({.grid = {2, 1, 1}}), "none");
}

TEST_F(PtxHandover, ALostFenceIsARace) {
  const std::string race =
      "global memory: race: read of what thread 0 of block 0 wrote, without "
      "anything that orders the two";
  for (const Schedule& schedule : {Schedule{}, Schedule{.resident = 2}}) {
    EXPECT_EQ(run({.fence = ""}, schedule), fault_at(1, 0, kReadNumbers) + race);
  }
}

TEST_F(PtxHandover, ALostBarrierIsARace) {
  EXPECT_THAT(run({.barrier = ""}, {}), HasSubstr("race: read of what thread 0 of block 0 wrote"));
  EXPECT_EQ(run({.later_barrier = ""}, {}),
            fault_at(1, 32, kReadNumbers) +
                "global memory: race: read of what thread 32 of block 0 wrote, without anything "
                "that orders the two")
      << "the first thread alone has acquired";
}

TEST_F(PtxHandover, AnOrdinaryReadOfTheFlagAcquiresNothing) {
  EXPECT_THAT(run({.read_flag = "ld.global.u32 %r2, [%a1];\n"}, {}),
              HasSubstr("race: read of what thread 0 of block 0 wrote"));
}

TEST_F(PtxHandover, AnAtomicReadOfTheFlagAcquiresWithAFenceAfterIt) {
  const std::string atomic = "atom.global.add.u32 %r2, [%a1], 0;\n";
  EXPECT_EQ(run({.read_flag = atomic + "membar.gl;\n"}, {}), "none");
  EXPECT_THAT(run({.read_flag = atomic}, {}),
              HasSubstr("race: read of what thread 0 of block 0 wrote"));
}

}  // namespace
}  // namespace ptx
