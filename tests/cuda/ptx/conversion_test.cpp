#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/cuda/ptx/snippet.h"
#include "tests/cuda/ptx/type.h"

namespace ptx {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using S16 = std::vector<std::int16_t>;
using U16 = std::vector<std::uint16_t>;
using S32 = std::vector<std::int32_t>;
using U32 = std::vector<std::uint32_t>;
using S64 = std::vector<std::int64_t>;
using U64 = std::vector<std::uint64_t>;

TEST(PtxConversion, ExtendsSignedNumbersWithTheirSignAndOthersWithZeros) {
  EXPECT_THAT(compute<std::int64_t>("cvt.s64.s32", S32{-5, 5, INT32_MIN}),
              ElementsAre(-5, 5, INT32_MIN));
  EXPECT_THAT(compute<std::uint64_t>("cvt.u64.u32", U32{0xfffffffb, 5}),
              ElementsAre(0xfffffffb, 5));
  EXPECT_THAT(compute<std::int64_t>("cvt.s64.u32", U32{0xfffffffb}), ElementsAre(0xfffffffb));
  EXPECT_THAT(compute<std::uint64_t>("cvt.u64.s32", S32{-1}), ElementsAre(UINT64_MAX));
  EXPECT_THAT(compute<std::int32_t>("cvt.s32.s16", S16{-300, 300}), ElementsAre(-300, 300));
  EXPECT_THAT(compute<std::uint32_t>("cvt.u32.u16", U16{0xfed4}), ElementsAre(0xfed4));
}

TEST(PtxConversion, TakesTheLowBitsOfALargerRegister) {
  EXPECT_THAT(compute<std::uint32_t>("cvt.u32.u64", U64{0x123456789abcdef0}),
              ElementsAre(0x9abcdef0));
  EXPECT_THAT(compute<std::uint16_t>("cvt.u16.u32", U32{0x89abcdef}), ElementsAre(0xcdef));
  EXPECT_THAT(compute<std::uint32_t>("cvt.u32.u8", U32{0x89abcdef}), ElementsAre(0xef));
  EXPECT_THAT(compute<std::int32_t>("cvt.s32.s8", U32{0x89abcdef}), ElementsAre(-17));
  EXPECT_THAT(compute<std::int64_t>("cvt.s64.s16", U32{0x89abcdef}), ElementsAre(-0x3211));
}

TEST(PtxConversion, CutsTheResultToItsTypeAndFillsTheRegister) {
  EXPECT_THAT(compute<std::uint32_t>("cvt.u8.u32", U32{0x1ff}), ElementsAre(0xff));
  EXPECT_THAT(compute<std::int32_t>("cvt.s8.s32", S32{0x1ff, 0x17f}), ElementsAre(-1, 127));
  EXPECT_THAT(compute<std::uint16_t>("cvt.u8.u32", U32{0xabcd}), ElementsAre(0xcd));
}

TEST(PtxConversion, RoundsIntegersToTheNearestFloat) {
  EXPECT_THAT(compute<float>("cvt.rn.f32.s32", S32{-3, 16777217, 16777219, INT32_MIN}),
              ElementsAre(-3.0F, 16777216.0F, 16777220.0F, -0x1p31F));
  EXPECT_THAT(compute<float>("cvt.rn.f32.u32", U32{0xffffffff}), ElementsAre(0x1p32F));
  EXPECT_THAT(compute<double>("cvt.rn.f64.s32", S32{-7}), ElementsAre(-7.0));
  EXPECT_THAT(compute<float>("cvt.rn.f32.s64", S64{-(1LL << 62)}), ElementsAre(-0x1p62F));
  EXPECT_THAT(compute<float>("cvt.rn.f32.u16", U16{65535}), ElementsAre(65535.0F));
}

TEST(PtxConversion, RoundsBetweenFloats) {
  const std::vector<double> wide = {1 + 0x1p-24, 1 + 0x3p-24, 1e300, -1e-300};
  EXPECT_THAT(compute<float>("cvt.rn.f32.f64", wide),
              ElementsAre(1.0F, 1 + 0x1p-22F, HUGE_VALF, -0.0F));
  EXPECT_THAT(compute<double>("cvt.f64.f32", std::vector<float>{0.1F}), ElementsAre(double{0.1F}));
  EXPECT_THAT(compute<double>("cvt.rzi.f64.f64", std::vector<double>{2.75, -2.75, -0.5}),
              ElementsAre(2.0, -2.0, -0.0));
}

TEST(PtxConversion, TheFirstOperandOfAPairIsTheHighHalf) {
  const std::vector<float> high = {1.0F, 1e9F}, low = {-2.0F, 1 + 0x1p-8F};
  const U32 bfloats = compute<std::uint32_t>("cvt.rn.bf16x2.f32", high, low);
  const U32 halves = compute<std::uint32_t>("cvt.rn.f16x2.f32", high, low);
  for (std::size_t i = 0; i < high.size(); ++i) {
    EXPECT_EQ(bfloats[i] >> 16, to_bfloat16(high[i]));
    EXPECT_EQ(bfloats[i] & 0xffff, to_bfloat16(low[i]));
    EXPECT_EQ(halves[i] >> 16, to_float16(high[i]));
    EXPECT_EQ(halves[i] & 0xffff, to_float16(low[i]));
  }
}

TEST(PtxConversion, WidensFloat16) {
  EXPECT_THAT(compute<float>("cvt.f32.f16", U16{0x3c00, 0xc100, 0x0001, 0x7c00}),
              ElementsAre(1.0F, -2.5F, 0x1p-24F, HUGE_VALF));
}

TEST(PtxConversion, DeviceAddressesAreGenericOnes) {
  EXPECT_THAT(compute<std::uint64_t>("cvta.to.global.u64", U64{0x123456789abcdef0}),
              ElementsAre(0x123456789abcdef0));
}

TEST(PtxConversion, RefusesWhatItDoesNotHave) {
  for (const std::string statement :
       {"cvt.rni.f32.f32 %f1, %f2", "cvt.rzi.s32.f32 %r1, %f1", "cvt.rn.s32.f32 %r1, %f1",
        "cvt.sat.u8.s32 %r1, %r2", "cvt.rn.f16.f32 %x1, %f1",
        "cvt.rn.relu.bf16x2.f32 %r1, %f1, %f2", "cvt.rz.f32.s32 %f1, %r1", "cvt.u64.u64 %d1, %r1",
        "cvta.to.shared.u64 %d1, %d2", "cvta.local.u64 %d1, %d2", "cvt.rn.bf16x2.f32 %r1, %f1",
        "cvt.f32.bf16 %f1, %x1", "cvt.rn.f64.f32.s32 %d1, %r1"}) {
    EXPECT_THAT(refusal(statement + ";"), HasSubstr("`" + statement + "`: ")) << statement;
  }
}

}  // namespace
}  // namespace ptx
