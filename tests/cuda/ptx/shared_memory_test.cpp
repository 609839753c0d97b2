#include "tests/cuda/ptx/shared_memory.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

constexpr const char* kShared = ".shared .align 16 .b8 memory[256];";
/// %r1 is the address of the thread's number, %r2 that of the thread beside it.
constexpr const char* kAddresses =
    "mov.u32 %r1, memory;\n mad.lo.u32 %r1, %tid, 4, %r1;\n xor.b32 %r2, %r1, 4;\n";

std::string fault_of(const std::string& statements, std::uint32_t threads = 2) {
  return Snippet(kAddresses + statements, kShared).fault_of_threads(threads);
}

/// A fault of the last statement, which is executed by `thread`.
std::string at_last(int thread, const std::string& statement, const std::string& message) {
  return fault_at(0, thread, statement) + "shared memory: " + message;
}

const std::string kWrite = "st.shared.u32 [%r1], 7", kReadBeside = "ld.shared.u32 %r3, [%r2]";
const std::string kBarrier = "bar.sync 0;\n";

TEST(PtxSharedMemory, WhatAThreadWroteOthersReadAfterABarrier) {
  EXPECT_EQ(fault_of(kWrite + ";\n" + kBarrier + kReadBeside + ";"), "none");
}

TEST(PtxSharedMemory, AReadOfAnothersWriteIsARace) {
  EXPECT_EQ(fault_of(kWrite + ";\n" + kReadBeside + ";"),
            at_last(0, kReadBeside, "race: read of what thread 1 wrote since the last barrier"));
  EXPECT_EQ(fault_of(kWrite + ";\n" + kBarrier + kWrite + ";\n" + kReadBeside + ";"),
            at_last(0, kReadBeside, "race: read of what thread 1 wrote since the last barrier"));
}

TEST(PtxSharedMemory, AWriteOverWhatAnotherReadIsARace) {
  const std::string write_again = "st.shared.u32 [%r1], 8";
  const std::string start = kWrite + ";\n" + kBarrier + kReadBeside + ";\n";
  EXPECT_EQ(fault_of(start + write_again + ";"),
            at_last(0, write_again, "race: write over what thread 1 read since the last barrier"));
  EXPECT_EQ(fault_of(start + kBarrier + write_again + ";"), "none");
}

TEST(PtxSharedMemory, AWriteOverWhatAnotherWroteIsARace) {
  const std::string write = "st.shared.u32 [memory], %tid";
  EXPECT_EQ(fault_of("mov.u32 %r3, %tid;\n" + write + ";"),
            at_last(1, write, "race: write over what thread 0 wrote since the last barrier"));
  EXPECT_EQ(fault_of("setp.eq.u32 %p1, %tid, 0;\n @%p1 st.shared.u32 [memory], 1;\n" + kBarrier +
                     "@!%p1 st.shared.u32 [memory], 2;"),
            "none");
}

TEST(PtxSharedMemory, AThreadMayUseItsOwnWritesAndReads) {
  EXPECT_EQ(fault_of(kWrite + ";\n ld.shared.u32 %r3, [%r1];\n" + kWrite + ";\n" + kWrite + ";"),
            "none");
}

TEST(PtxSharedMemory, SeveralReadersAreRememberedUntilTheNextBarrier) {
  // All read number 0; thread 1, the last reader, writes it.
  const std::string write = "@%p1 st.shared.u32 [memory], 5";
  const std::string start =
      "setp.eq.u32 %p1, %tid, 1;\n" + kWrite + ";\n" + kBarrier + "ld.shared.u32 %r3, [memory];\n";
  EXPECT_EQ(fault_of(start + write + ";"),
            at_last(1, write, "race: write over what other threads read since the last barrier"));
  EXPECT_EQ(fault_of(start + kBarrier + write + ";"), "none");
}

TEST(PtxSharedMemory, RacesAreBetweenWarpsAsWell) {
  const std::string write = "st.shared.u32 [memory], 1";
  EXPECT_EQ(
      fault_of("and.b32 %r4, %tid, 31;\n setp.eq.u32 %p1, %r4, 3;\n @%p1 " + write + ";", 64),
      at_last(35, "@%p1 " + write, "race: write over what thread 3 wrote since the last barrier"));
}

TEST(PtxSharedMemory, RacesAreFoundByTheByte) {
  EXPECT_EQ(fault_of("mov.u32 %r3, memory;\n add.u32 %r3, %r3, %tid;\n st.shared.u8 [%r3], 1;", 64),
            "none");
  const std::string wide = "st.shared.v2.u32 [%r4], {1, 2}";
  EXPECT_EQ(fault_of("and.b32 %r4, %r1, -8;\n" + wide + ";"),
            at_last(1, wide, "race: write over what thread 0 wrote since the last barrier"));
}

TEST(PtxSharedMemory, AReadOfWhatNobodyWroteIsAFault) {
  const std::string read = "ld.shared.v2.u32 {%r3, %r4}, [memory+8]";
  EXPECT_EQ(fault_of(read + ";", 1), at_last(0, read, "read of what nobody wrote"));
  EXPECT_EQ(fault_of("st.shared.u32 [memory+8], 1;\n" + read + ";", 1),
            at_last(0, read, "read of what nobody wrote"));
  EXPECT_EQ(fault_of("st.shared.v2.u32 [memory+8], {1, 2};\n" + read + ";", 1), "none");
}

TEST(PtxSharedMemory, ABlockDoesNotSeeWhatAnEarlierOneWrote) {
  const std::string read = "ld.shared.u32 %r3, [memory]";
  Snippet snippet("setp.eq.u32 %p1, %cta, 0;\n @%p1 st.shared.u32 [memory], 1;\n" + read + ";",
                  kShared);
  EXPECT_EQ(snippet.fault({.grid = {2, 1, 1}}),
            fault_at(1, 0, read) + "shared memory: read of what nobody wrote");
}

TEST(PtxSharedMemory, OutOfBoundsIsAFault) {
  for (const auto& [offset, byte] : {std::pair("256", "256"),
                                     {"-4", "-4"},
                                     {"65536", "65536"},
                                     {"-1028", "-1028"},
                                     {"-2000", "-2000"}}) {
    const std::string statement = std::string("@%p1 st.shared.u32 [memory+") + offset + "], 1";
    EXPECT_EQ(fault_of("setp.eq.u32 %p1, %tid, 1;\n" + statement + ";"),
              at_last(1, statement, std::string("out of bounds: byte ") + byte + " of 256"));
  }
  const std::string read = "ld.shared.v4.u32 {%r3, %r4, %r5, %r6}, [memory+256]";
  EXPECT_EQ(fault_of(read + ";"), at_last(0, read, "out of bounds: byte 256 of 256"));
}

TEST(PtxSharedMemory, DynamicMemoryEndsWhereTheLaunchSays) {
  const std::string store = "st.shared.u32 [more+32], 1";
  Snippet snippet(store + ";", ".extern .shared .align 16 .b8 more[];");
  EXPECT_EQ(snippet.fault({.dynamic_shared_bytes = 36}), "none");
  EXPECT_EQ(snippet.fault({.dynamic_shared_bytes = 32}),
            fault_at(0, 0, store) + "shared memory: out of bounds: byte 32 of 32");
}

TEST(PtxSharedMemory, NothingIsWrittenAcrossItsEnd) {
  const std::string store = "st.shared.v2.u32 [more+32], {1, 2}";
  Snippet snippet(store + ";", ".extern .shared .align 16 .b8 more[];");
  EXPECT_EQ(snippet.fault({.dynamic_shared_bytes = 36}),
            fault_at(0, 0, store) + "shared memory: out of bounds: byte 32 of 36");
}

TEST(PtxSharedMemory, MisalignedAddressesAreAFault) {
  const std::string store = "st.shared.u32 [memory+2], 1";
  EXPECT_EQ(fault_of(store + ";"), at_last(0, store, "address 1026 is not a multiple of 4"));
  const std::string read = "ld.shared.v4.u32 {%r3, %r4, %r5, %r6}, [memory+8]";
  EXPECT_EQ(fault_of(read + ";"), at_last(0, read, "address 1032 is not a multiple of 16"));
}

TEST(PtxSharedMemory, NullIsNoAddress) {
  const std::string store = "st.shared.u32 [%r3], 1";
  EXPECT_EQ(fault_of("mov.u32 %r3, 0;\n" + store + ";"),
            at_last(0, store, "out of bounds: byte -1024 of 256"));
}

TEST(PtxSharedMemory, FaultsOfLdmatrixNameTheThreadWhoseRowItIs) {
  const std::string load = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r3]";
  const std::string rows =
      "mov.u32 %r3, memory;\n and.b32 %r8, %tid, 7;\n mad.lo.u32 %r3, %r8, 16, %r3;\n"
      "st.shared.u32 [%r1], 0;\n setp.eq.u32 %p1, %tid, 19;\n bar.sync 0;\n";
  EXPECT_EQ(fault_of(rows + load + ";", 64), "none");
  EXPECT_EQ(fault_of(rows + "@%p1 add.u32 %r3, %r3, 8;\n" + load + ";", 64),
            at_last(19, load, "address 1080 is not a multiple of 16"));
  EXPECT_EQ(fault_of(rows + "@%p1 add.u32 %r3, %r3, 4096;\n" + load + ";", 64),
            at_last(19, load, "out of bounds: byte 4144 of 256"));
}

}  // namespace
}  // namespace ptx
