#include "tests/cuda/ptx/global_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

using ::testing::ElementsAre;

/// %d0 is the address of the thread's number in the first buffer, %d1 that of the one beside it.
const std::string kAddresses = element_address("%a0", 4) + "xor.b64 %d1, %d0, 4;\n";

/// What statements end with whose first buffer has 64 numbers.
std::string fault_of(const std::string& statements, std::uint32_t threads = 2,
                     std::uint32_t blocks = 1) {
  Snippet snippet(kAddresses + statements);
  snippet.give(std::vector<int>(64));
  return snippet.fault({.grid = {blocks, 1, 1}, .block = {threads, 1, 1}});
}

std::string at_last(int block, int thread, const std::string& statement,
                    const std::string& message) {
  return fault_at(block, thread, statement) + "global memory: " + message;
}

std::string race(const std::string& what, int block, int thread, const std::string& did) {
  return "race: " + what + " what thread " + std::to_string(thread) + " of block " +
         std::to_string(block) + " " + did + ", without anything that orders the two";
}

const std::string kWrite = "st.global.u32 [%d0], 7", kReadBeside = "ld.global.u32 %r3, [%d1]";

TEST(PtxGlobalMemory, IsWrittenFilledAndReadByTheHost) {
  GlobalMemory memory;
  auto* const numbers = static_cast<int*>(memory.allocate(8));
  const int values[] = {4, 5};
  int copy[2] = {};
  EXPECT_TRUE(memory.host_write(numbers, values, sizeof(values)));
  EXPECT_TRUE(memory.host_read(copy, numbers, sizeof(copy)));
  EXPECT_THAT(copy, ElementsAre(4, 5));
  EXPECT_TRUE(memory.host_fill(numbers + 1, 0, 4));
  EXPECT_TRUE(memory.host_read(copy, numbers, sizeof(copy)));
  EXPECT_THAT(copy, ElementsAre(4, 0));
}

TEST(PtxGlobalMemory, RefusesTheHostWhatIsNotWithinOneAllocation) {
  GlobalMemory memory;
  auto* const numbers = static_cast<char*>(memory.allocate(8));
  char bytes[16] = {};
  EXPECT_FALSE(memory.host_write(numbers, bytes, 9));
  EXPECT_FALSE(memory.host_write(numbers + 4, bytes, 8));
  EXPECT_FALSE(memory.host_read(bytes, numbers - 1, 4));
  EXPECT_FALSE(memory.host_fill(bytes, 0, 4));
  EXPECT_FALSE(memory.free(numbers + 1));
  EXPECT_TRUE(memory.free(numbers));
  EXPECT_FALSE(memory.free(numbers));
  EXPECT_FALSE(memory.host_read(bytes, numbers, 4));
}

TEST(PtxGlobalMemory, TheHostMayCopyNothing) {
  GlobalMemory memory;
  void* const nothing = memory.allocate(0);
  EXPECT_TRUE(memory.host_write(nothing, nullptr, 0));
  EXPECT_TRUE(memory.host_fill(nothing, 0, 0));
  EXPECT_TRUE(memory.host_read(nullptr, nothing, 0));
}

TEST(PtxGlobalMemory, AllocationsAreAlignedAndApart) {
  GlobalMemory memory;
  const auto first = reinterpret_cast<std::uint64_t>(memory.allocate(3));
  const auto second = reinterpret_cast<std::uint64_t>(memory.allocate(3));
  EXPECT_EQ(first % 256, 0U);
  EXPECT_EQ(second % 256, 0U);
  EXPECT_NE(first, second);
}

TEST(PtxGlobalMemory, OutOfBoundsIsAFault) {
  for (const std::string statement : {"ld.global.u32 %r1, [%a0+256]", "st.global.u32 [%a0+-4], 1",
                                      "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%a0+256]"}) {
    EXPECT_EQ(fault_of(statement + ";"),
              at_last(0, 0, statement, "out of bounds of every allocation"));
  }
  const std::string statement = "ld.global.u32 %r1, [%d0]";
  EXPECT_EQ(fault_of(statement + ";", 96),
            at_last(0, 64, statement, "out of bounds of every allocation"));
}

TEST(PtxGlobalMemory, NullIsNoAddress) {
  for (const std::string statement :
       {"ld.global.u32 %r1, [%a5]", "st.global.u32 [%a5+40], 1",
        "atom.global.add.u32 %r1, [%a5], 1", "ld.acquire.gpu.global.s32 %r1, [%a5]"}) {
    EXPECT_EQ(fault_of(statement + ";"), at_last(0, 0, statement, "null pointer"));
  }
  const std::string below = "ld.global.u32 %r1, [%a5+-4]";
  EXPECT_EQ(fault_of(below + ";"), at_last(0, 0, below, "out of bounds of every allocation"));
}

TEST(PtxGlobalMemory, MisalignedAddressesAreAFault) {
  for (const auto& [statement, bytes] :
       {std::pair<std::string, std::string>("ld.global.u32 %r1, [%a0+2]", "4"),
        {"st.global.u16 [%a0+1], 1", "2"},
        {"ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%a0+8]", "16"},
        {"atom.global.add.u32 %r1, [%a0+2], 1", "4"}}) {
    EXPECT_EQ(fault_of(statement + ";"),
              at_last(0, 0, statement, "address is not a multiple of " + bytes));
  }
}

TEST(PtxGlobalMemory, UseAfterFreeIsAFault) {
  const std::string statement = "ld.global.u32 %r1, [%a0]";
  Snippet snippet(statement + ";");
  const std::uint64_t address = snippet.give(std::vector<int>(64));
  EXPECT_EQ(snippet.fault(), "none");
  snippet.device().memory().free(reinterpret_cast<void*>(address));
  EXPECT_EQ(snippet.fault(), at_last(0, 0, statement, "out of bounds of every allocation"));
}

TEST(PtxGlobalMemory, AReadOfWhatNobodyWroteIsAFault) {
  const std::string statement = "ld.global.v2.u32 {%r1, %r2}, [%a0]";
  Snippet snippet("setp.eq.u32 %p1, %cta, 1;\n @%p1 st.global.u32 [%a0+4], 1;\n" + statement + ";");
  const std::uint64_t address = snippet.give_unwritten(8);
  EXPECT_EQ(snippet.fault(), at_last(0, 0, statement, "read of what nobody wrote"));
  snippet.device().memory().host_fill(reinterpret_cast<void*>(address), 0, 4);
  EXPECT_EQ(snippet.fault(), at_last(0, 0, statement, "read of what nobody wrote"));
  snippet.device().memory().host_fill(reinterpret_cast<void*>(address + 4), 0, 4);
  EXPECT_EQ(snippet.fault(), "none");
  snippet.device().memory().host_fill(reinterpret_cast<void*>(address), 0xff, 8);
  EXPECT_EQ(snippet.fault(), at_last(0, 0, statement, "read of what nobody wrote")) << "poisoned";
}

TEST(PtxGlobalMemory, AtomicOperationsReadWhatWasWritten) {
  for (const std::string statement :
       {"atom.global.add.u32 %r1, [%a0], 1", "ld.acquire.gpu.global.s32 %r1, [%a0]"}) {
    Snippet snippet(statement + ";");
    snippet.give_unwritten(4);
    EXPECT_EQ(snippet.fault(), at_last(0, 0, statement, "read of what nobody wrote"));
  }
}

TEST(PtxGlobalMemory, ABarrierOrdersTheThreadsOfABlock) {
  const std::string again = "st.global.u32 [%d0], 8", barrier = ";\nbar.sync 0;\n";
  EXPECT_EQ(fault_of(kWrite + barrier + kReadBeside + barrier + again + ";"), "none");
  EXPECT_EQ(fault_of(kWrite + ";\n" + kReadBeside + ";"),
            at_last(0, 0, kReadBeside, race("read of", 0, 1, "wrote")));
  EXPECT_EQ(fault_of(kReadBeside + ";\n" + again + ";"),
            at_last(0, 0, again, race("write over", 0, 1, "read")));
  const std::string same = "st.global.u32 [%a0], 8";
  EXPECT_EQ(fault_of(same + ";"), at_last(0, 1, same, race("write over", 0, 0, "wrote")));
}

TEST(PtxGlobalMemory, SeveralReadersOfABlockAreRemembered) {
  // All read number 0; thread 1, the last reader, writes it.
  const std::string write = "@%p1 st.global.u32 [%a0], 5";
  EXPECT_EQ(fault_of("setp.eq.u32 %p1, %tid, 1;\n ld.global.u32 %r3, [%a0];\n" + write + ";"),
            at_last(0, 1, write,
                    "race: write over what other threads of block 0 read, without anything that "
                    "orders the two"));
}

TEST(PtxGlobalMemory, NothingOrdersTheBlocksOfALaunch) {
  const std::string barrier = ";\nbar.sync 0;\n", same = "st.global.u32 [%a0], %cta";
  EXPECT_EQ(fault_of("bar.sync 0;\n st.global.u32 [%a0], 8;", 1, 2),
            at_last(1, 0, "st.global.u32 [%a0], 8", race("write over", 0, 0, "wrote")));
  const std::string first = "setp.eq.u32 %p1, %cta, 0;\n", read = "@!%p1 ld.global.u32 %r1, [%a0]";
  EXPECT_EQ(fault_of(first + "@%p1 st.global.u32 [%a0], 8" + barrier + read + ";", 1, 2),
            at_last(1, 0, read, race("read of", 0, 0, "wrote")));
  const std::string write = "@!%p1 st.global.u32 [%a0], 8";
  EXPECT_EQ(fault_of(first + "@%p1 ld.global.u32 %r1, [%a0]" + barrier + write + ";", 1, 2),
            at_last(1, 0, write, race("write over", 0, 0, "read")));
}

TEST(PtxGlobalMemory, BlocksMayReadTheSameAndWriteApart) {
  EXPECT_EQ(fault_of("ld.global.u32 %r1, [%a0];\n mul.wide.u32 %d2, %cta, 4;\n"
                     "add.u64 %d2, %d2, %a0;\n st.global.u32 [%d2+4], 1;",
                     1, 5),
            "none");
}

TEST(PtxGlobalMemory, AnEarlierLaunchIsOver) {
  // The block whose number the second buffer has writes.
  Snippet snippet(
      "ld.global.u32 %r1, [%a1];\n setp.eq.u32 %p1, %cta, %r1;\n"
      "@%p1 st.global.u32 [%a0], 8;");
  snippet.give(std::vector<int>(1));
  const std::uint64_t writer = snippet.give(std::vector<int>(1));
  EXPECT_EQ(snippet.fault({.grid = {2, 1, 1}}), "none");
  const int second = 1;
  snippet.device().memory().host_write(reinterpret_cast<void*>(writer), &second, sizeof(second));
  EXPECT_EQ(snippet.fault({.grid = {2, 1, 1}}), "none");
}

TEST(PtxGlobalMemory, WhatAnEarlierLaunchPublishedIsForgotten) {
  GlobalMemory memory;
  void* const flag = memory.allocate(4);
  memory.host_fill(flag, 0, 4);
  const auto address = reinterpret_cast<std::uint64_t>(flag);
  BlockView writer, reader;
  writer.reset(0);
  reader.reset(1);
  memory.begin_launch();
  writer.barrier();
  writer.fence(0);
  memory.atomic_number(address, writer, 0);
  memory.acquire_number(address, reader, 0);
  EXPECT_TRUE(reader.sees(0, 0, 1));
  memory.begin_launch();
  reader.reset(1);
  memory.acquire_number(address, reader, 0);
  EXPECT_FALSE(reader.sees(0, 0, 1));
}

TEST(PtxGlobalMemory, AtomicOperationsDoNotRace) {
  Snippet snippet("atom.global.add.u32 %r1, [%a0], %tid;\n" + element_address("%a1", 4) +
                  "mul.wide.u32 %d1, %cta, 160;\n add.u64 %d0, %d0, %d1;\n"
                  "st.global.u32 [%d0], %r1;");
  snippet.give(std::vector<std::uint32_t>{100});
  snippet.give_unwritten(2 * 160);
  EXPECT_EQ(snippet.fault({.grid = {2, 1, 1}, .block = {40, 1, 1}}), "none");
  EXPECT_THAT(snippet.read<std::uint32_t>(0, 1), ElementsAre(100 + 2 * 780));
  EXPECT_EQ(snippet.read<std::uint32_t>(1, 80)[0], 100U) << "what the number was before";
  EXPECT_EQ(snippet.read<std::uint32_t>(1, 80)[42], 100U + 780 + 1);
}

}  // namespace
}  // namespace ptx
