#include "tests/cuda/ptx/names.h"

#include <gtest/gtest.h>

#include <set>

namespace ptx {
namespace {

class PtxNames : public ::testing::Test {
 protected:
  /// The number that a register has from the beginning.
  std::uint64_t constant(Slot slot) const {
    for (const Preset& preset : kernel_.presets) {
      if (preset.slot.offset == slot.offset && preset.value == Preset::Value::kConstant) {
        return preset.constant;
      }
    }
    ADD_FAILURE() << "no constant";
    return 0;
  }
  std::uint64_t constant(const std::string& text, int bytes) {
    return constant(names_.source(text, bytes));
  }

  Kernel kernel_;
  Names names_{kernel_};
};

TEST_F(PtxNames, RegistersOfAWarpLieApart) {
  names_.declare_registers("%p", parse_type("pred"), 3);
  names_.declare_registers("%r", parse_type("b32"), 2);
  names_.declare_registers("%rd", parse_type("b64"), 2);
  names_.declare_registers("low", parse_type("b16"), -1);
  std::set<std::uint32_t> bytes;
  std::size_t sum = 0;
  for (const char* name : {"%p0", "%p1", "%p2", "%r0", "%r1", "%rd0", "%rd1", "low"}) {
    const Slot slot = names_.target(name);
    EXPECT_EQ(slot.offset % slot.bytes, 0U);
    EXPECT_LE(slot.offset + kLanes * slot.bytes, kernel_.register_bytes);
    for (std::uint32_t i = 0; i < kLanes * slot.bytes; ++i) bytes.insert(slot.offset + i);
    sum += kLanes * slot.bytes;
  }
  EXPECT_EQ(bytes.size(), sum);
  EXPECT_EQ(names_.target("%p2").bytes, 1U);
  EXPECT_EQ(names_.target("low").bytes, 2U);
  EXPECT_EQ(names_.target("%rd1").bytes, 8U);
}

TEST_F(PtxNames, UnknownOnesAndOtherSizesAreRefused) {
  names_.declare_registers("%r", parse_type("b32"), 2);
  EXPECT_THROW(names_.target("%r2"), Unsupported);
  EXPECT_THROW(names_.target("%r"), Unsupported);
  EXPECT_THROW(names_.source("%q1", 4), Unsupported);
  EXPECT_THROW(names_.source("%r1", 8), Unsupported);
  EXPECT_THROW(names_.source("%clock", 4), Unsupported);
  EXPECT_THROW(names_.source("%tid.w", 4), Unsupported);
  EXPECT_EQ(names_.source("%r1", 4).offset, names_.target("%r1").offset);
}

TEST_F(PtxNames, AreForgottenAtTheEndOfAScope) {
  names_.declare_registers("a", parse_type("b32"), -1);
  const Slot outer = names_.target("a");
  names_.open_scope();
  EXPECT_EQ(names_.target("a").offset, outer.offset);
  names_.declare_registers("a", parse_type("b64"), -1);
  names_.declare_registers("b", parse_type("b32"), -1);
  EXPECT_EQ(names_.target("a").bytes, 8U);
  names_.open_scope();
  names_.declare_registers("a", parse_type("b16"), -1);
  EXPECT_EQ(names_.target("a").bytes, 2U);
  names_.close_scope();
  EXPECT_EQ(names_.target("a").bytes, 8U);
  names_.close_scope();
  EXPECT_EQ(names_.target("a").offset, outer.offset);
  EXPECT_THROW(names_.target("b"), Unsupported);
  EXPECT_FALSE(names_.is_within_scope());
}

TEST_F(PtxNames, NumbersAreConstants) {
  EXPECT_EQ(constant("42", 4), 42U);
  EXPECT_EQ(constant("-1", 8), UINT64_MAX);
  EXPECT_EQ(constant("0xff", 4), 255U);
  EXPECT_EQ(constant("0f3F800000", 4), 0x3f800000U);
  EXPECT_EQ(constant("0d3FF0000000000000", 8), 0x3ff0000000000000U);
  EXPECT_EQ(names_.source("42", 4).offset, names_.source("42", 4).offset);
  EXPECT_NE(names_.source("42", 4).offset, names_.source("42", 8).offset);
  for (const char* text : {"1.5", "4U", "x", "", "-"}) {
    EXPECT_THROW(names_.source(text, 4), Unsupported) << text;
  }
}

TEST_F(PtxNames, VariablesAreAddressesWithTheirAlignment) {
  names_.declare_shared("first", 5, 1);
  names_.declare_shared("second", 16, 16);
  names_.declare_local("__local_depot0", 12, 8);
  names_.declare_parameter("p0", 1, 1);
  names_.declare_parameter("p1", 8, 8);
  EXPECT_EQ(constant("first", 4), kSharedBase);
  EXPECT_EQ(constant("second", 8), kSharedBase + 16U);
  EXPECT_EQ(constant("__local_depot0", 8), 0U);
  EXPECT_EQ(constant("p1", 8), 8U);
  EXPECT_EQ(kernel_.static_shared_bytes, 32U);
  EXPECT_EQ(kernel_.local_bytes, 12U);
  EXPECT_EQ(kernel_.parameter_bytes, 16U);
  ASSERT_EQ(kernel_.parameters.size(), 2U);
  EXPECT_EQ(kernel_.parameters[1].offset, 8U);
}

TEST_F(PtxNames, DynamicSharedMemoryFollowsTheStatic) {
  names_.declare_shared("fixed", 20, 4);
  names_.declare_dynamic_shared("memory");
  EXPECT_EQ(constant("memory", 4), kSharedBase + 32U);
}

TEST_F(PtxNames, AddressesHaveABaseAndAnOffset) {
  names_.declare_registers("%rd", parse_type("b64"), 2);
  names_.declare_registers("%r", parse_type("b32"), 2);
  names_.declare_parameter("p0", 8, 8);
  names_.declare_parameter("p1", 8, 8);
  const Address plain = names_.address("[%rd1]");
  EXPECT_EQ(plain.base.offset, names_.target("%rd1").offset);
  EXPECT_EQ(plain.offset, 0);
  EXPECT_EQ(names_.address("[%r1+16]").base.bytes, 4U);
  EXPECT_EQ(names_.address("[%r1+16]").offset, 16);
  EXPECT_EQ(names_.address("[ %rd1 + -8 ]").offset, -8);
  EXPECT_EQ(constant(names_.address("[p1+4]").base), 8U);
  EXPECT_EQ(names_.address("[p1+4]").offset, 4);
  EXPECT_THROW(names_.address("%rd1"), Unsupported);
  EXPECT_THROW(names_.address("[%rd7]"), Unsupported);
}

TEST_F(PtxNames, SpecialRegistersAreSetFromTheBeginning) {
  const Slot slot = names_.source("%ntid.z", 4);
  ASSERT_EQ(kernel_.presets.size(), 1U);
  EXPECT_EQ(kernel_.presets[0].value, Preset::Value::kThreads);
  EXPECT_EQ(kernel_.presets[0].axis, 2);
  EXPECT_EQ(kernel_.presets[0].slot.offset, slot.offset);
}

}  // namespace
}  // namespace ptx
