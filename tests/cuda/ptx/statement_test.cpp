#include "tests/cuda/ptx/statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ptx {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PtxStatement, HasAnOpcodeOfWordsAndOperands) {
  const Statement statement = parse_statement("  add.s32\t%r1, %r2,  -4 ");
  EXPECT_THAT(statement.words, ElementsAre("add", "s32"));
  EXPECT_THAT(statement.operands, ElementsAre("%r1", "%r2", "-4"));
  EXPECT_EQ(statement.opcode(), "add.s32");
  EXPECT_EQ(statement.text, "add.s32\t%r1, %r2,  -4");
  EXPECT_EQ(statement.guard, "");
}

TEST(PtxStatement, MayHaveAGuard) {
  const Statement plain = parse_statement("@%p1 bra $L1");
  EXPECT_EQ(plain.guard, "%p1");
  EXPECT_FALSE(plain.guard_negated);
  EXPECT_THAT(plain.words, ElementsAre("bra"));
  EXPECT_THAT(plain.operands, ElementsAre("$L1"));
  const Statement negated = parse_statement("@!%p2\n\tret");
  EXPECT_EQ(negated.guard, "%p2");
  EXPECT_TRUE(negated.guard_negated);
  EXPECT_THAT(negated.words, ElementsAre("ret"));
  EXPECT_THAT(negated.operands, IsEmpty());
}

TEST(PtxStatement, BracketsKeepAnOperandTogether) {
  const Statement statement = parse_statement("ld.global.v2.u32 {%r1, %r2}, [%rd1+8]");
  EXPECT_THAT(statement.operands, ElementsAre("{%r1, %r2}", "[%rd1+8]"));
  EXPECT_THAT(split("f(a, b), [c, {d, e}]", ','), ElementsAre("f(a, b)", "[c, {d, e}]"));
}

TEST(PtxStatement, SplitsIntoTrimmedPartsThatAreNotEmpty) {
  EXPECT_THAT(split(" a ;; b;", ';'), ElementsAre("a", "b"));
  EXPECT_THAT(split(" \n", ';'), IsEmpty());
  EXPECT_EQ(trimmed("\r\n\t"), "");
}

TEST(PtxStatement, GivesTheOpcodeWithoutItsLastWords) {
  const Statement statement = parse_statement("cvt.rn.f32.s32 %f1, %r1");
  EXPECT_EQ(statement.opcode_without(1), "cvt.rn.f32");
  EXPECT_EQ(statement.opcode_without(2), "cvt.rn");
  EXPECT_EQ(statement.opcode_without(9), "");
}

}  // namespace
}  // namespace ptx
