// How the threads of a warp part and meet again.
#include "tests/cuda/ptx/warp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

using ::testing::ElementsAre;

/// A kernel whose threads keep what they have in %r9.
class Keeping : public Snippet {
 public:
  Keeping(const std::string& statements, std::uint32_t threads)
      : Snippet(statements + "\n" + element_address("%a0", 4) + "st.global.u32 [%d0], %r9;"),
        threads_(threads) {
    give_unwritten(4 * threads);
    run_threads(threads);
  }
  std::vector<std::uint32_t> numbers() { return read<std::uint32_t>(0, threads_); }

 private:
  std::uint32_t threads_;
};

template <typename F>
void expect_each(const std::vector<std::uint32_t>& numbers, const F& f) {
  for (std::uint32_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], f(i)) << i;
}

/// Instructions of a warp beyond those of a kernel without statements.
std::int64_t instructions_of(const std::string& statements, std::uint32_t threads = 32) {
  Snippet with(statements), without("");
  with.run_threads(threads);
  without.run_threads(threads);
  return with.counters().instructions - without.counters().instructions;
}

const std::string kIfElse =
    "setp.lt.u32 %p1, %tid, 10;\n@%p1 bra $L_if;\n"
    "add.u32 %r9, %tid, 100;\n bra.uni $L_end;\n"
    "$L_if:\n add.u32 %r9, %tid, 200;\n"
    "$L_end:\n";

TEST(PtxWarp, EachThreadFollowsItsBranch) {
  expect_each(Keeping(kIfElse, 32).numbers(),
              [](std::uint32_t i) { return i + (i < 10 ? 200 : 100); });
}

TEST(PtxWarp, ThreadsThatMeetGoOnTogether) {
  EXPECT_EQ(instructions_of(kIfElse + "mov.u32 %r1, %r9;\n mov.u32 %r1, %r9;"), 2 + 2 + 1 + 2);
  EXPECT_EQ(instructions_of(kIfElse, 8), 2 + 1) << "no thread takes the other branch";
  expect_each(Keeping(kIfElse + "shfl.sync.bfly.b32 %r9, %r9, 16, 31, -1;", 32).numbers(),
              [](std::uint32_t i) { return (i ^ 16) + ((i ^ 16) < 10 ? 200 : 100); });
}

TEST(PtxWarp, BranchesMayBeNested) {
  const std::string nested =
      "mov.u32 %r9, 0;\n and.b32 %r1, %tid, 1;\n and.b32 %r2, %tid, 2;\n"
      "setp.eq.u32 %p1, %r1, 0;\n setp.eq.u32 %p2, %r2, 0;\n"
      "@%p1 bra $L_even;\n"
      "add.u32 %r9, %r9, 1;\n@%p2 bra $L_inner;\n add.u32 %r9, %r9, 10;\n"
      "$L_inner:\n add.u32 %r9, %r9, 100;\n bra.uni $L_end;\n"
      "$L_even:\n add.u32 %r9, %r9, 1000;\n@%p2 bra $L_end;\n add.u32 %r9, %r9, 10000;\n"
      "$L_end:\n add.u32 %r9, %r9, 100000;";
  expect_each(Keeping(nested, 32).numbers(), [](std::uint32_t i) {
    const bool has_two = (i & 2) != 0;
    return 100000 + (i % 2 == 0 ? 1000 + (has_two ? 10000 : 0) : 101 + (has_two ? 10 : 0));
  });
  EXPECT_EQ(instructions_of(nested), 6 + 5 + 3 + 1);
}

/// Adds 1 … %tid.
const std::string kLoop =
    "mov.u32 %r9, 0;\n mov.u32 %r1, %tid;\n"
    "$L_loop:\n setp.eq.u32 %p1, %r1, 0;\n@%p1 bra $L_end;\n"
    "add.u32 %r9, %r9, %r1;\n sub.u32 %r1, %r1, 1;\n bra.uni $L_loop;\n"
    "$L_end:\n";

TEST(PtxWarp, LoopsMayHaveDifferentNumbersOfPasses) {
  expect_each(Keeping(kLoop, 70).numbers(), [](std::uint32_t i) { return i * (i + 1) / 2; });
  EXPECT_EQ(instructions_of(kLoop + "mov.u32 %r1, 0;"), 2 + 31 * 5 + 2 + 1)
      << "as many as the longest, and the rest once";
}

TEST(PtxWarp, CodeThatLiesBehindTheEndIsReturnedFrom) {
  // As nvcc puts a rare path behind what follows it.
  const std::string rare =
      "mov.u32 %r9, 1;\n setp.eq.u32 %p1, %tid, 3;\n@%p1 bra $L_rare;\n"
      "$L_back:\n add.u32 %r9, %r9, 1;\n shfl.sync.bfly.b32 %r9, %r9, 3, 31, -1;\n"
      "bra.uni $L_end;\n"
      "$L_rare:\n add.u32 %r9, %r9, 10;\n bra.uni $L_back;\n"
      "$L_end:\n";
  expect_each(Keeping(rare, 32).numbers(), [](std::uint32_t i) { return i == 0 ? 12U : 2U; });
}

TEST(PtxWarp, ThreadsThatReturnToWhereTheOthersWaitMeetThem) {
  const std::string rare =
      "mov.u32 %r9, %tid;\n setp.eq.u32 %p1, %tid, 3;\n@%p1 bra $L_rare;\n"
      "$L_back:\n shfl.sync.bfly.b32 %r9, %r9, 3, 31, -1;\n bra.uni $L_end;\n"
      "$L_rare:\n add.u32 %r9, %r9, 10;\n bra.uni $L_back;\n"
      "$L_end:\n";
  expect_each(Keeping(rare, 32).numbers(), [](std::uint32_t i) { return i == 0 ? 13U : (i ^ 3); });
}

TEST(PtxWarp, SomeThreadsMayExitEarly) {
  Snippet snippet("setp.lt.u32 %p1, %tid, 36;\n@%p1 ret;\n bar.sync 0;\n" +
                  element_address("%a0", 4) + "st.global.u32 [%d0], %tid;");
  snippet.give(std::vector<std::uint32_t>(64, 7));
  snippet.run_threads(64);
  expect_each(snippet.read<std::uint32_t>(0, 64), [](std::uint32_t i) { return i < 36 ? 7U : i; });
}

TEST(PtxWarp, AThreadThatExitsIsNotWaitedForAtABarrier) {
  // Thread 5 exits on a path of its own, behind the barrier at which the others wait already.
  Snippet snippet("setp.eq.u32 %p1, %tid, 5;\n@%p1 bra $L_exit;\n bar.sync 0;\n" +
                  element_address("%a0", 4) +
                  "st.global.u32 [%d0], %tid;\n ret;\n$L_exit:\n mov.u32 %r1, 0;\n");
  snippet.give(std::vector<std::uint32_t>(32, 7));
  snippet.run_threads(32);
  expect_each(snippet.read<std::uint32_t>(0, 32), [](std::uint32_t i) { return i == 5 ? 7U : i; });
}

TEST(PtxWarp, TheLastOneMayBePartial) {
  expect_each(Keeping("setp.eq.u32 %p1, 0, 0;\n setp.lt.u32 %p2, %tid, 32;\n"
                      "selp.b32 %r1, -1, 255, %p2;\n vote.sync.ballot.b32 %r9, %p1, %r1;",
                      40)
                  .numbers(),
              [](std::uint32_t i) { return i < 32 ? 0xffffffffU : 0xffU; });
  Snippet snippet("");
  snippet.run_threads(40);
  EXPECT_EQ(snippet.counters().lane_instructions, 40 * snippet.counters().instructions / 2);
}

TEST(PtxWarp, SpecialRegistersAreThoseOfTheThread) {
  Snippet snippet(
      "mov.u32 %r1, %tid.x;\n mov.u32 %r2, %tid.y;\n mov.u32 %r3, %tid.z;\n mov.u32 %r4, %laneid;\n"
      "mov.u32 %r5, %ntid.x;\n mov.u32 %r6, %ntid.y;\n mov.u32 %r7, %ntid.z;\n"
      "mad.lo.u32 %r8, %r3, %r6, %r2;\n mad.lo.u32 %r8, %r8, %r5, %r1;\n mul.wide.u32 %d1, %r8, "
      "32;\n"
      "add.u64 %d1, %d1, %a0;\n st.global.v4.u32 [%d1], {%r1, %r2, %r3, %r4};\n"
      "st.global.v4.u32 [%d1+16], {%r5, %r6, %r7, %r8};");
  snippet.give_unwritten(60 * 32);
  snippet.run({.block = {3, 5, 4}});
  const std::vector<std::uint32_t> all = snippet.read<std::uint32_t>(0, 60 * 8);
  for (std::uint32_t i = 0; i < 60; ++i) {
    const std::vector<std::uint32_t> its(all.begin() + 8 * i, all.begin() + 8 * i + 8);
    EXPECT_THAT(its, ElementsAre(i % 3, i / 3 % 5, i / 15, i % 32, 3, 5, 4, i));
  }
}

// Faults.

TEST(PtxWarp, ThreadsThatSkipWhatTheOthersDoTogetherAreAFault) {
  const std::string exchange = "@%p1 shfl.sync.bfly.b32 %r9, %tid, 1, 31, -1";
  EXPECT_EQ(
      Snippet("setp.lt.u32 %p1, %tid, 4;\n" + exchange + ";").fault_of_threads(32),
      fault_at(0, 0, exchange) + "some threads of the warp skip what the others execute together");
  const std::string barrier = "@%p1 bar.sync 0";
  EXPECT_EQ(
      Snippet("setp.gt.u32 %p1, %tid, 40;\n" + barrier + ";").fault_of_threads(64),
      fault_at(0, 0, barrier) + "some threads of the warp skip what the others execute together");
}

TEST(PtxWarp, WhatAllSkipIsNoFault) {
  EXPECT_EQ(Snippet("setp.gt.u32 %p1, %tid, 40;\n @%p1 shfl.sync.bfly.b32 %r9, %tid, 1, 31, -1;")
                .fault_of_threads(32),
            "none");
}

TEST(PtxWarp, ThreadsThatPartBeforeAnExchangeAreAFault) {
  const std::string apart = "setp.ge.u32 %p1, %tid, 4;\n@%p1 bra $L_other;\n";
  const std::string first = "shfl.sync.bfly.b32 %r9, %tid, 1, 31, -1";
  const std::string second = "shfl.sync.bfly.b32 %r8, %tid, 1, 31, -1";
  EXPECT_EQ(
      Snippet(apart + first + ";\n bra.uni $L_end;\n$L_other:\n" + second + ";\n$L_end:\n")
          .fault_of_threads(32),
      fault_at(0, 4, second) + "threads of a warp wait at different instructions for each other");
  EXPECT_EQ(Snippet(apart + first + ";\n$L_other:\n").fault_of_threads(32),
            fault_at(0, 0, first) + "a thread that has exited is a member");
}

TEST(PtxWarp, ThreadsThatPartBeforeAProductAreAFault) {
  const std::string product =
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f0, %f1, %f2, %f3}, "
      "{%r0, %r1, %r2, %r3}, {%r4, %r5}, {%f0, %f1, %f2, %f3}";
  EXPECT_EQ(Snippet("setp.ge.u32 %p1, %tid, 4;\n@%p1 bra $L_other;\n" + product + ";\n$L_other:\n")
                .fault_of_threads(32),
            fault_at(0, 0, product) + "a whole warp is needed");
  EXPECT_EQ(Snippet("setp.ge.u32 %p1, %tid, 36;\n@%p1 " + product + ";").fault_of_threads(64),
            fault_at(0, 32, "@%p1 " + product) +
                "some threads of the warp skip what the others execute together");
}

TEST(PtxWarp, ThreadsOfOneWarpAtDifferentBarriersAreAFault) {
  EXPECT_EQ(Snippet("setp.ge.u32 %p1, %tid, 4;\n@%p1 bra $L_other;\n bar.sync 0;\n ret;\n"
                    "$L_other:\n bar.sync 0;\n")
                .fault_of_threads(32),
            fault_at(0, 4, "bar.sync 0") +
                "threads of a warp wait at different instructions for each other");
}

TEST(PtxCopyQueue, GivesTheOldestGroupsFirst) {
  const auto copy = [](std::uint64_t address) { return Copy{address, 16, {}}; };
  CopyQueue queue;
  EXPECT_TRUE(queue.is_empty());
  queue.add(copy(1));
  EXPECT_FALSE(queue.is_empty());
  queue.add(copy(2));
  queue.commit();
  queue.add(copy(3));
  queue.commit();
  queue.add(copy(4));
  EXPECT_TRUE(queue.take_all_but(2).empty());
  const std::vector<Copy> first = queue.take_all_but(1);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].address, 1U);
  EXPECT_EQ(first[1].address, 2U);
  const std::vector<Copy> second = queue.take_all_but(0);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].address, 3U);
  EXPECT_FALSE(queue.is_empty()) << "one is in no group yet";
}

}  // namespace
}  // namespace ptx
