#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/snippet.h"
#include "tests/cuda/ptx/type.h"

namespace ptx {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

/// What every thread has in %r9 after the statements.
std::vector<std::uint32_t> results(const std::string& statements, std::uint32_t threads = 32) {
  Snippet snippet(statements + element_address("%a0", 4) + "st.global.u32 [%d0], %r9;");
  snippet.give_unwritten(4 * threads);
  snippet.run_threads(threads);
  return snippet.read<std::uint32_t>(0, threads);
}

TEST(PtxWarpOperations, ExchangesWithTheLaneWhoseNumberDiffersInTheBits) {
  for (const std::uint32_t bits : {0U, 1U, 2U, 16U, 31U}) {
    const std::vector<std::uint32_t> all =
        results("add.u32 %r1, %tid, 100;\n shfl.sync.bfly.b32 %r9|%p1, %r1, " +
                    std::to_string(bits) + ", 31, -1;\n",
                64);
    for (std::uint32_t i = 0; i < 64; ++i) EXPECT_EQ(all[i], (i ^ bits) + 100);
  }
}

TEST(PtxWarpOperations, AnExchangeSaysThatItsLaneTookPart) {
  EXPECT_THAT(results("setp.ne.u32 %p1, 0, 0;\n shfl.sync.bfly.b32 %r1|%p1, %tid, 1, 31, -1;\n"
                      "selp.b32 %r9, 1, 0, %p1;\n"),
              Each(1));
}

TEST(PtxWarpOperations, TheTargetOfAnExchangeMayBeItsSource) {
  const std::vector<std::uint32_t> all =
      results("mov.u32 %r9, %tid;\n shfl.sync.bfly.b32 %r9, %r9, 5, 31, -1;\n");
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(all[i], i ^ 5);
}

TEST(PtxWarpOperations, AnExchangeNeedsItsPartner) {
  const std::string exchange = "shfl.sync.bfly.b32 %r9, %tid, 1, 31, 15";
  EXPECT_EQ(Snippet(exchange + ";").fault_of_threads(3),
            fault_at(0, 0, exchange) + "a thread that has exited is a member");
  const std::string outside = "shfl.sync.bfly.b32 %r9, %tid, 2, 31, 3";
  EXPECT_EQ(Snippet(outside + ";").fault_of_threads(2),
            fault_at(0, 0, outside) + "exchange with a lane that does not take part");
  const std::string clamp = "shfl.sync.bfly.b32 %r9, %tid, 2, 7199, -1";
  EXPECT_EQ(Snippet(clamp + ";").fault_of_threads(32), fault_at(0, 0, clamp) + "part of a warp");
}

TEST(PtxWarpOperations, AThreadThatIsNoMemberMayNotTakePart) {
  const std::string vote = "vote.sync.ballot.b32 %r9, %p1, 65535";
  EXPECT_EQ(Snippet("setp.eq.u32 %p1, 0, 0;\n" + vote + ";").fault_of_threads(32),
            fault_at(0, 16, vote) + "a thread takes part that is no member");
}

TEST(PtxWarpOperations, AVoteHasABitForEachLane) {
  EXPECT_THAT(results("and.b32 %r1, %tid, 3;\n setp.eq.u32 %p1, %r1, 1;\n"
                      "vote.sync.ballot.b32 %r9, %p1, -1;\n",
                      64),
              Each(0x22222222));
  EXPECT_THAT(results("setp.eq.u32 %p1, 0, 0;\n vote.sync.ballot.b32 %r9, %p1, 31;\n", 5),
              Each(31));
}

TEST(PtxWarpOperations, AVoteMayBeOfSomeLanesAlone) {
  const std::vector<std::uint32_t> all = results(
      "mov.u32 %r9, 0;\n setp.lt.u32 %p1, %tid, 8;\n setp.ne.u32 %p2, %tid, 2;\n"
      "@!%p1 bra $L_skip;\n vote.sync.ballot.b32 %r9, %p2, 255;\n$L_skip:\n");
  for (std::uint32_t i = 0; i < 32; ++i) EXPECT_EQ(all[i], i < 8 ? 0xfbU : 0U);
}

// Matrices of 8 rows of 8 numbers of 16 bits, in shared memory: number `row * 8 + column` of matrix
// m is 64 m + that.

constexpr const char* kMatrices = ".shared .align 16 .b8 memory[512];";

std::vector<std::uint32_t> loaded(const std::string& opcode) {
  // Two numbers a thread and 8 stores; then the row of each lane.
  std::string statements =
      "mov.u32 %r1, memory;\n mad.lo.u32 %r1, %tid, 16, %r1;\n mul.lo.u32 %r2, %tid, 8;\n";
  for (int i = 0; i < 8; ++i) {
    statements += "add.u32 %r3, %r2, " + std::to_string(i) + ";\n st.shared.u16 [%r1+" +
                  std::to_string(2 * i) + "], %r3;\n";
  }
  Snippet snippet(statements + "bar.sync 0;\n" + opcode + " {%r4, %r5, %r6, %r7}, [%r1];\n" +
                      element_address("%a0", 16) + "st.global.v4.u32 [%d0], {%r4, %r5, %r6, %r7};",
                  kMatrices);
  snippet.give_unwritten(512);
  snippet.run_threads(32);
  return snippet.read<std::uint32_t>(0, 128);
}

TEST(PtxWarpOperations, LdmatrixGivesEachLaneTwoNumbersOfARow) {
  const std::vector<std::uint32_t> all = loaded("ldmatrix.sync.aligned.m8n8.x4.shared.b16");
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    for (std::uint32_t m = 0; m < 4; ++m) {
      const std::uint32_t first = 64 * m + lane / 4 * 8 + 2 * (lane % 4);
      EXPECT_EQ(all[4 * lane + m], first | (first + 1) << 16);
    }
  }
}

TEST(PtxWarpOperations, LdmatrixTransposedGivesEachLaneTwoNumbersOfAColumn) {
  const std::vector<std::uint32_t> all = loaded("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16");
  for (std::uint32_t lane = 0; lane < 32; ++lane) {
    for (std::uint32_t m = 0; m < 4; ++m) {
      const std::uint32_t first = 64 * m + 2 * (lane % 4) * 8 + lane / 4;
      EXPECT_EQ(all[4 * lane + m], first | (first + 8) << 16);
    }
  }
}

// Products of matrices.

struct Matrix {
  std::size_t columns;
  std::vector<std::uint16_t> bits;
  std::uint32_t pair(std::size_t i, std::size_t j, std::size_t next) const {
    return bits[i * columns + j] | std::uint32_t{bits[i * columns + j + next]} << 16;
  }
};

/// Random numbers of the type that `round` rounds to.
Matrix random_matrix(std::size_t rows, std::size_t columns, std::uint16_t (*round)(float),
                     std::mt19937& random) {
  std::normal_distribution<float> normal;
  Matrix matrix = {columns, {}};
  for (std::size_t i = 0; i < rows * columns; ++i) matrix.bits.push_back(round(normal(random)));
  return matrix;
}

/// Fragments as the PTX ISA has them for mma.m16n8k16, one lane after the other.
std::vector<std::uint32_t> fragments_of_a(const Matrix& a) {
  std::vector<std::uint32_t> all;
  for (std::size_t lane = 0; lane < 32; ++lane) {
    const std::size_t row = lane / 4, column = lane % 4 * 2;
    for (const auto& [down, right] : {std::pair(0, 0), {8, 0}, {0, 8}, {8, 8}}) {
      all.push_back(a.pair(row + static_cast<std::size_t>(down),
                           column + static_cast<std::size_t>(right), 1));
    }
  }
  return all;
}
std::vector<std::uint32_t> fragments_of_b(const Matrix& b) {
  std::vector<std::uint32_t> all;
  for (std::size_t lane = 0; lane < 32; ++lane) {
    const std::size_t row = lane % 4 * 2, column = lane / 4;
    all.push_back(b.pair(row, column, b.columns));
    all.push_back(b.pair(row + 8, column, b.columns));
  }
  return all;
}
/// Rows and columns of the four numbers that a lane has of c and d.
std::pair<std::size_t, std::size_t> place_in_d(std::size_t lane, std::size_t i) {
  return {lane / 4 + (i < 2 ? 0 : 8), lane % 4 * 2 + i % 2};
}

const std::string kLoadFragments =
    element_address("%a1", 16) + "ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%d0];\n" +
    element_address("%a2", 8) + "ld.global.v2.u32 {%r8, %r9}, [%d0];\n" +
    element_address("%a3", 16) + "ld.global.v4.f32 {%f4, %f5, %f6, %f7}, [%d0];\n";
const std::string kStoreProduct =
    element_address("%a0", 16) + "st.global.v4.f32 [%d0], {%f0, %f1, %f2, %f3};";

void expect_products(const std::string& type, std::uint16_t (*round)(float),
                     float (*widen)(std::uint16_t)) {
  std::mt19937 random(1);
  const Matrix a = random_matrix(16, 16, round, random), b = random_matrix(16, 8, round, random);
  std::vector<float> c(128);
  for (float& x : c) x = std::normal_distribution<float>()(random);
  Snippet snippet(kLoadFragments + "mma.sync.aligned.m16n8k16.row.col.f32." + type + "." + type +
                  ".f32 {%f0, %f1, %f2, %f3}, {%r4, %r5, %r6, %r7}, {%r8, %r9}, "
                  "{%f4, %f5, %f6, %f7};\n" +
                  kStoreProduct);
  snippet.give_unwritten(512);
  snippet.give(fragments_of_a(a));
  snippet.give(fragments_of_b(b));
  snippet.give(c);
  snippet.run_threads(32);
  const std::vector<float> d = snippet.read<float>(0, 128);
  for (std::size_t i = 0; i < d.size(); ++i) {
    const auto [row, column] = place_in_d(i / 4, i % 4);
    double exact = c[i];
    for (std::size_t k = 0; k < 16; ++k) {
      exact += double{widen(a.bits[row * 16 + k])} * widen(b.bits[k * 8 + column]);
    }
    EXPECT_NEAR(d[i], exact, 1e-6 * (1 + std::fabs(exact))) << row << ' ' << column;
  }
  EXPECT_EQ(snippet.counters().tensor_core_products, 1);
}

TEST(PtxWarpOperations, MultipliesMatricesOfBfloat16) {
  expect_products("bf16", to_bfloat16, from_bfloat16);
}

TEST(PtxWarpOperations, MultipliesMatricesOfFloat16) {
  expect_products("f16", to_float16, from_float16);
}

TEST(PtxWarpOperations, AProductMayBeAddedToItsOwnRegistersInAnyOrder) {
  // a is 0: d is c, turned round.
  Snippet snippet(kLoadFragments +
                  "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f7, %f6, %f5, %f4}, "
                  "{%r4, %r5, %r6, %r7}, {%r8, %r9}, {%f4, %f5, %f6, %f7};\n" +
                  element_address("%a0", 16) + "st.global.v4.f32 [%d0], {%f4, %f5, %f6, %f7};");
  snippet.give_unwritten(512);
  snippet.give(std::vector<std::uint32_t>(128));
  snippet.give(std::vector<std::uint32_t>(64));
  std::vector<float> c(128);
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = static_cast<float>(i);
  snippet.give(c);
  snippet.run_threads(32);
  const std::vector<float> d = snippet.read<float>(0, 128);
  for (std::size_t i = 0; i < d.size(); ++i) EXPECT_EQ(d[i], c[i / 4 * 4 + 3 - i % 4]);
}

TEST(PtxWarpOperations, MatricesNeedAWholeWarp) {
  const std::string product =
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3}, "
      "{%r4, %r5, %r6, %r7}, {%r8, %r9}, {%f4, %f5, %f6, %f7}";
  EXPECT_EQ(Snippet(product + ";").fault_of_threads(24),
            fault_at(0, 0, product) + "a whole warp is needed");
  const std::string load = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r1]";
  EXPECT_EQ(Snippet("mov.u32 %r1, memory;\n" + load + ";", kMatrices).fault_of_threads(24),
            fault_at(0, 0, load) + "a whole warp is needed");
}

TEST(PtxWarpOperations, RefusesWhatItDoesNotHave) {
  for (const std::string statement :
       {"shfl.sync.idx.b32 %r1, %r2, 0, 31, -1", "vote.sync.any.pred %p1, %p2, -1", "bar.sync 1",
        "bar.sync 0, 64", "barrier.sync 0", "bar.warp.sync -1",
        "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1, %r2}, [%r3]",
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r2}, [%r3]",
        "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%f0, %f1, %f2, %f3}, {%r1, %r2}, "
        "{%r3}, {%f0, %f1, %f2, %f3}",
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3}, {%r1, %r2}, "
        "{%r3, %r4}, {%f0, %f1, %f2, %f3}"}) {
    EXPECT_THAT(refusal(statement + ";"), HasSubstr("`" + statement + "`: ")) << statement;
  }
}

}  // namespace
}  // namespace ptx
