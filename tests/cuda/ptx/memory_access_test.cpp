#include "tests/cuda/ptx/memory_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kShared = ".shared .align 16 .b8 memory[8192];";

/// 0, 1, 2, …
std::vector<std::uint32_t> ascending(std::size_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  return numbers;
}

/// `first`, `first + stride`, …, one a lane.
Addresses strided(std::uint64_t stride, std::uint64_t first = 0) {
  Addresses addresses;
  for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = first + i * stride;
  return addresses;
}

TEST(PtxMemoryAccess, VectorsAreElementsOneAfterTheOther) {
  Snippet snippet(
      "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%a0];\n ld.global.nc.v2.u32 {%r5, %r6}, [%a0+16];\n"
      "ld.global.cg.v2.u64 {%d1, %d2}, [%a0+32];\n"
      "st.global.v4.u32 [%a1], {%r4, %r3, %r2, %r1};\n st.global.v2.u32 [%a1+16], {%r6, %r5};\n"
      "st.global.v2.u32 [%a1+24], {%r1, 77};\n st.global.v2.u64 [%a1+32], {%d2, %d1};");
  snippet.give(ascending(12));
  snippet.give_unwritten(48);
  snippet.run();
  EXPECT_THAT(snippet.read<std::uint32_t>(1, 12),
              ElementsAre(3, 2, 1, 0, 5, 4, 0, 77, 10, 11, 8, 9));
}

TEST(PtxMemoryAccess, SmallNumbersAreExtendedToTheirRegisters) {
  Snippet snippet(
      "ld.global.u8 %r1, [%a0];\n ld.global.s8 %r2, [%a0];\n ld.global.u16 %r3, [%a0];\n"
      "ld.global.s16 %r4, [%a0];\n ld.global.s32 %d1, [%a0+4];\n ld.global.u32 %d2, [%a0+4];\n"
      "ld.global.s8 %x1, [%a0];\n"
      "st.global.v4.u32 [%a1], {%r1, %r2, %r3, %r4};\n st.global.v2.u64 [%a1+16], {%d1, %d2};\n"
      "st.global.u16 [%a1+32], %x1;");
  snippet.give(std::vector<std::uint32_t>{0x8081, 0x80000000});
  snippet.give_unwritten(48);
  snippet.run();
  EXPECT_THAT(snippet.read<std::uint32_t>(1, 4), ElementsAre(0x81, 0xffffff81, 0x8081, 0xffff8081));
  EXPECT_THAT(snippet.read<std::uint64_t>(1, 4),
              ElementsAre(::testing::_, ::testing::_, 0xffffffff80000000, 0x80000000));
  EXPECT_EQ(snippet.read<std::uint16_t>(1, 17)[16], 0xff81);
}

TEST(PtxMemoryAccess, AStoreTakesTheLowBytesOfALargerRegister) {
  Snippet snippet(
      "mov.u32 %r1, 0x12345678;\n st.global.u8 [%a0], %r1;\n st.global.u16 [%a0+2], %r1;\n"
      "st.global.u8 [%a0+1], 255;\n st.global.f32 [%a0+4], 0f3F800000;");
  snippet.give_unwritten(8);
  snippet.run();
  EXPECT_THAT(snippet.read<std::uint32_t>(0, 2), ElementsAre(0x5678ff78, 0x3f800000));
}

TEST(PtxMemoryAccess, AGuardChoosesTheThreads) {
  Snippet snippet("setp.lt.u32 %p1, %tid, 3;\n mov.u32 %r1, 5;\n" + element_address("%a0", 4) +
                  "@%p1 mov.u32 %r1, 6;\n @!%p1 st.global.u32 [%d0], %r1;\n"
                  "@%p1 st.global.u32 [%d0+64], %r1;");
  snippet.give(std::vector<std::uint32_t>(20));
  snippet.run_threads(5);
  EXPECT_THAT(snippet.read<std::uint32_t>(0, 20),
              ElementsAre(0, 0, 0, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 6, 6, 0));
  EXPECT_EQ(snippet.counters().global_written_bytes, 4 * 5);
}

TEST(PtxMemoryAccess, CountsSectorsOfThirtyTwoBytes) {
  EXPECT_EQ(count_sectors(strided(4), kAllLanes), 4);
  EXPECT_EQ(count_sectors(strided(4, 16), kAllLanes), 5);
  EXPECT_EQ(count_sectors(strided(16), kAllLanes), 16);
  EXPECT_EQ(count_sectors(strided(0, 96), kAllLanes), 1);
  EXPECT_EQ(count_sectors(strided(32), kAllLanes), 32);
  EXPECT_EQ(count_sectors(strided(32), 0x5), 2);
  EXPECT_EQ(count_sectors(strided(4), 0), 0);
}

TEST(PtxMemoryAccess, LanesThatWantDifferentWordsOfOneBankConflict) {
  const auto passes = [](const Addresses& addresses, std::uint32_t bytes, Mask lanes = kAllLanes) {
    const SharedPasses counted = count_passes(addresses, lanes, bytes);
    return std::pair(counted.all, counted.ideal);
  };
  EXPECT_EQ(passes(strided(4), 4), std::pair(1, 1));
  EXPECT_EQ(passes(strided(0), 4), std::pair(1, 1)) << "a word for all";
  EXPECT_EQ(passes(strided(1), 1), std::pair(1, 1)) << "bytes of one word";
  EXPECT_EQ(passes(strided(2), 2), std::pair(1, 1));
  EXPECT_EQ(passes(strided(8), 4), std::pair(2, 1));
  EXPECT_EQ(passes(strided(128), 4), std::pair(32, 1));
  EXPECT_EQ(passes(strided(132), 4), std::pair(1, 1)) << "padded";
  EXPECT_EQ(passes(strided(8), 8), std::pair(2, 2));
  EXPECT_EQ(passes(strided(16), 16), std::pair(4, 4));
  EXPECT_EQ(passes(strided(128), 16), std::pair(32, 4));
  EXPECT_EQ(passes(strided(128 + 16), 16), std::pair(4, 4)) << "padded";
  EXPECT_EQ(passes(strided(128), 4, 0x7), std::pair(3, 1));
  EXPECT_EQ(passes(strided(128), 16, 0xff00), std::pair(8, 1)) << "a group of lanes alone";
  EXPECT_EQ(passes(strided(4), 4, 0), std::pair(0, 0));
}

TEST(PtxMemoryAccess, IsCounted) {
  Snippet snippet(element_address("%a0", 16) + "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d0];\n" +
                      "mul.lo.u32 %r5, %tid, 8;\n mov.u32 %r6, memory;\n add.u32 %r5, %r5, %r6;\n"
                      "st.shared.u32 [%r5], %r1;\n ld.shared.u32 %r7, [%r5];\n" +
                      element_address("%a1", 4) +
                      "st.global.u32 [%d0], %r7;\n .local .align 8 .b8 depot[16];\n"
                      "mov.u64 %d1, depot;\n st.local.u32 [%d1+4], %r7;",
                  kShared);
  snippet.give(ascending(128));
  snippet.give_unwritten(128);
  snippet.run_threads(32);
  EXPECT_EQ(snippet.counters().global_read_bytes, 512);
  EXPECT_EQ(snippet.counters().global_read_sectors, 16);
  EXPECT_EQ(snippet.counters().global_written_bytes, 128);
  EXPECT_EQ(snippet.counters().global_written_sectors, 4);
  EXPECT_EQ(snippet.counters().shared_passes, 4);
  EXPECT_EQ(snippet.counters().bank_conflicts, 2);
  EXPECT_EQ(snippet.counters().local_accesses, 1);
}

/// Each of 32 threads loads the row of its number with ldmatrix; rows are `row_bytes` bytes apart.
std::int64_t conflicts_of_ldmatrix(int row_bytes) {
  Snippet snippet("mov.u32 %r1, memory;\n mad.lo.u32 %r1, %tid, " + std::to_string(row_bytes) +
                      ", %r1;\n st.shared.v4.u32 [%r1], {1, 2, 3, 4};\n bar.sync 0;\n" +
                      "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r2, %r3, %r4, %r5}, [%r1];",
                  kShared);
  snippet.run_threads(32);
  EXPECT_EQ(snippet.counters().shared_passes, 2 * (4 + snippet.counters().bank_conflicts / 2));
  return snippet.counters().bank_conflicts / 2;  // of the store as well
}

TEST(PtxMemoryAccess, RowsWithoutPaddingConflictInLdmatrix) {
  EXPECT_EQ(conflicts_of_ldmatrix(128), 28);
  EXPECT_EQ(conflicts_of_ldmatrix(64), 12);
  EXPECT_EQ(conflicts_of_ldmatrix(16), 0);
}

TEST(PtxMemoryAccess, RowsWithPaddingDoNotConflictInLdmatrix) {
  EXPECT_EQ(conflicts_of_ldmatrix(128 + 16), 0);
  EXPECT_EQ(conflicts_of_ldmatrix(64 + 16), 0);
}

TEST(PtxMemoryAccess, LocalMemoryIsAThreadsOwn) {
  Snippet snippet(
      ".local .align 8 .b8 depot[64];\n mov.u64 %d1, depot;\n mad.lo.u32 %r1, %cta, 100, %tid;\n"
      "st.local.u32 [%d1+60], %r1;\n bar.sync 0;\n ld.local.u32 %r2, [%d1+60];\n" +
      element_address("%a0", 4) +
      "mul.wide.u32 %d2, %cta, 160;\n add.u64 %d0, %d0, %d2;\n"
      "st.global.u32 [%d0], %r2;");
  snippet.give_unwritten(320);
  snippet.run({.grid = {2, 1, 1}, .block = {40, 1, 1}});
  const std::vector<std::uint32_t> numbers = snippet.read<std::uint32_t>(0, 80);
  for (std::uint32_t i = 0; i < 80; ++i) EXPECT_EQ(numbers[i], i / 40 * 100 + i % 40);
}

// Copies: 16 bytes a thread into shared memory.

const std::string kCopyAddresses =
    "mov.u32 %r1, memory;\n mad.lo.u32 %r1, %tid, 16, %r1;\n" + element_address("%a1", 16);
const std::string kCopy = "cp.async.cg.shared.global [%r1], [%d0], 16, 16;\n";
const std::string kCommit = "cp.async.commit_group;\n";
const std::string kRead = "ld.shared.v4.u32 {%r2, %r3, %r4, %r5}, [%r1]";
const std::string kKeep =
    ";\n" + element_address("%a0", 16) + "st.global.v4.u32 [%d0], {%r2, %r3, %r4, %r5};\n";

/// Runs a copy's statements by two threads with buffers for it.
std::string fault_of_copy(const std::string& statements) {
  Snippet snippet(kCopyAddresses + statements, kShared);
  snippet.give_unwritten(32);
  snippet.give(ascending(16));
  return snippet.fault_of_threads(2);
}

TEST(PtxMemoryAccess, ACopyHasArrivedAfterItsWait) {
  Snippet snippet(kCopyAddresses + kCopy + kCommit + "cp.async.wait_group 0;\n" + kRead + kKeep,
                  kShared);
  snippet.give_unwritten(32);
  snippet.give(ascending(8));
  snippet.run_threads(2);
  EXPECT_EQ(snippet.read<std::uint32_t>(0, 8), ascending(8));
  EXPECT_EQ(snippet.counters().global_read_bytes, 32);
}

TEST(PtxMemoryAccess, ACopyOfNoBytesWritesZerosAndReadsNothing) {
  Snippet snippet(kCopyAddresses +
                      "mov.u32 %r9, 0;\n mov.u64 %d0, 8;\n"
                      "cp.async.cg.shared.global [%r1], [%d0], 16, %r9;\n" +
                      kCommit + "cp.async.wait_group 0;\n" + kRead + kKeep,
                  kShared);
  snippet.give_unwritten(32);
  snippet.run_threads(2);
  EXPECT_THAT(snippet.read<std::uint32_t>(0, 8), Each(0));
  EXPECT_EQ(snippet.counters().global_read_bytes, 0);
}

TEST(PtxMemoryAccess, ACopyMayHaveFourBytes) {
  Snippet snippet(kCopyAddresses + "cp.async.ca.shared.global [%r1+4], [%d0+8], 4, 4;\n" + kCommit +
                      "cp.async.wait_group 0;\n ld.shared.u32 %r2, [%r1+4];\n" +
                      element_address("%a0", 4) + "st.global.u32 [%d0], %r2;",
                  kShared);
  snippet.give_unwritten(8);
  snippet.give(ascending(8));
  snippet.run_threads(2);
  EXPECT_THAT(snippet.read<std::uint32_t>(0, 2), ElementsAre(2, 6));
}

TEST(PtxMemoryAccess, ACopyThatWasNotWaitedForIsNotThere) {
  const std::string fault =
      fault_at(0, 0, kRead) + "shared memory: read of a copy that has not been waited for";
  EXPECT_EQ(fault_of_copy(kCopy + kRead + ";"), fault);
  EXPECT_EQ(fault_of_copy(kCopy + kCommit + kRead + ";"), fault);
  EXPECT_EQ(fault_of_copy(kCopy + "cp.async.wait_group 0;\n" + kRead + ";"), fault)
      << "waits for groups alone";
  EXPECT_EQ(fault_of_copy(kCopy + kCommit + "cp.async.wait_group 1;\n" + kRead + ";"), fault);
}

TEST(PtxMemoryAccess, AWaitLeavesTheLastGroupsOnTheirWay) {
  const std::string later = "cp.async.cg.shared.global [%r1+64], [%d0+16], 16, 16;\n";
  const std::string wait = kCopy + kCommit + later + kCommit + "cp.async.wait_group 1;\n";
  const std::string read_later = "ld.shared.u32 %r2, [%r1+64]";
  const std::string end = "cp.async.wait_group 0;\n";
  EXPECT_EQ(fault_of_copy(wait + kRead + ";\n" + end), "none");
  EXPECT_EQ(
      fault_of_copy(wait + read_later + ";\n" + end),
      fault_at(0, 0, read_later) + "shared memory: read of a copy that has not been waited for");
  EXPECT_EQ(fault_of_copy(wait + end + read_later + ";"), "none");
}

TEST(PtxMemoryAccess, NothingIsWrittenOverACopyOnItsWay) {
  const std::string store = "st.shared.u32 [%r1], %r2";
  EXPECT_EQ(
      fault_of_copy(kCopy + store + ";"),
      fault_at(0, 0, store) + "shared memory: write over a copy that has not been waited for");
}

TEST(PtxMemoryAccess, OtherThreadsHaveACopyAfterABarrier) {
  const std::string wait = kCopy + kCommit + "cp.async.wait_group 0;\n";
  const std::string neighbour = "xor.b32 %r1, %r1, 16;\n", read = "ld.shared.u32 %r2, [%r1]";
  EXPECT_EQ(fault_of_copy(wait + neighbour + read + ";"),
            fault_at(0, 0, read) +
                "shared memory: race: read of what thread 1 wrote since the last barrier");
  EXPECT_EQ(fault_of_copy(wait + "bar.sync 0;\n" + neighbour + read + ";"), "none");
}

TEST(PtxMemoryAccess, AThreadMayNotExitBeforeItsCopiesHaveArrived) {
  const std::string fault = fault_at(0, 0, "ret") + "exits before its copies have arrived";
  EXPECT_EQ(fault_of_copy(kCopy), fault);
  EXPECT_EQ(fault_of_copy(kCopy + kCommit), fault);
  EXPECT_EQ(fault_of_copy(kCommit), "none") << "an empty group";
}

TEST(PtxMemoryAccess, ACopyOfAPartIsAFault) {
  const std::string copy = "cp.async.cg.shared.global [%r1], [%d0], 16, 8";
  EXPECT_EQ(fault_of_copy(copy + ";"), fault_at(0, 0, copy) + "a copy of a part");
}

TEST(PtxMemoryAccess, ACopyOfWhatNobodyWroteIsAFault) {
  Snippet snippet(kCopyAddresses + kCopy, kShared);
  snippet.give_unwritten(32);
  const std::uint64_t source = snippet.give_unwritten(32);
  snippet.device().memory().host_fill(reinterpret_cast<void*>(source), 0, 16);
  const std::string copy = "cp.async.cg.shared.global [%r1], [%d0], 16, 16";
  EXPECT_EQ(snippet.fault_of_threads(2),
            fault_at(0, 1, copy) + "global memory: read of what nobody wrote");
}

// Faults of addresses.

/// What a statement ends with that one thread executes with %d1 = `address`.
std::string fault_of_address(const std::string& statement, std::uint64_t address) {
  Snippet snippet(".local .align 8 .b8 depot[16];\n mov.u64 %d1, " + std::to_string(address) +
                      ";\n cvt.u32.u64 %r1, %d1;\n setp.eq.u32 %p1, %tid, 2;\n@%p1 " + statement +
                      ";",
                  ".shared .align 16 .b8 memory[64];");
  const std::string fault = snippet.fault_of_threads(4);
  const std::string place = fault_at(0, 2, "@%p1 " + statement);
  EXPECT_THAT(fault, HasSubstr(place));
  return fault.substr(std::min(place.size(), fault.size()));
}

TEST(PtxMemoryAccess, LocalMemoryOutOfBoundsOrMisalignedIsAFault) {
  EXPECT_EQ(fault_of_address("ld.local.u32 %r2, [%d1]", 16), "out of bounds");
  EXPECT_EQ(fault_of_address("st.local.u64 [%d1], %d2", 16), "out of bounds");
  EXPECT_EQ(fault_of_address("ld.local.u32 %r2, [%d1+-4]", 0), "out of bounds");
  EXPECT_EQ(fault_of_address("ld.local.u32 %r2, [%d1]", 6), "misaligned address");
}

TEST(PtxMemoryAccess, NothingIsReadAcrossTheEndOfLocalMemory) {
  const std::string load = "ld.local.u64 %d2, [%d1+8]";
  Snippet snippet(".local .align 8 .b8 depot[12];\n mov.u64 %d1, depot;\n" + load + ";");
  EXPECT_EQ(snippet.fault(), fault_at(0, 0, load) + "out of bounds");
}

TEST(PtxMemoryAccess, ParametersOutOfBoundsOrMisalignedAreAFault) {
  EXPECT_EQ(fault_of_address("ld.param.u64 %d2, [buffer5+8]", 0), "out of bounds");
  EXPECT_EQ(fault_of_address("ld.param.u64 %d2, [buffer0+-8]", 0), "out of bounds");
  EXPECT_EQ(fault_of_address("ld.param.u64 %d2, [buffer0+4]", 0), "misaligned address");
}

TEST(PtxMemoryAccess, RefusesWhatItDoesNotHave) {
  for (const std::string statement :
       {"ld.u32 %r1, [%a0]", "ld.const.u32 %r1, [%a0]", "ld.global.u32 %r1, %a0",
        "ld.global.v4.u32 {%r1, %r2}, [%a0]", "ld.global.v8.u32 {%r1, %r2}, [%a0]",
        "ld.shared.cg.u32 %r1, [%r2]", "ld.global.volatile.u32 %r1, [%a0]",
        "st.param.u32 [%a0], %r1", "st.global.u64 [%a0], %r1",
        "atom.global.add.f32 %f1, [%a0], %f2", "atom.shared.add.u32 %r1, [%r2], 1",
        "ld.acquire.gpu.global.u32 %r1, [%a0]", "cp.async.cg.shared.global [%r1], [%a0], 16",
        "cp.async.cg.shared.global [%r1], [%a0], 2, 2", "cp.async.wait_all", "membar.sys",
        "red.global.add.u32 [%a0], 1"}) {
    EXPECT_THAT(refusal(statement + ";"), HasSubstr("`" + statement + "`: ")) << statement;
  }
}

}  // namespace
}  // namespace ptx
