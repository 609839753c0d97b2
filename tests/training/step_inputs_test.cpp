#include "training/step_inputs.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

namespace sparse_transformer {
namespace {

at::Tensor tokens_of(std::int64_t batch) { return at::randint(0, 256, {batch, 6}, at::kByte); }

Shown shown_of(std::int64_t batch) {
  return {at::randint(0, 6, {batch, 6}, at::kLong),
          at::randint(0, 2, {batch, static_cast<std::int64_t>(kAugmentationKinds)}, at::kLong)};
}

void expect_taken(const StepInputs& inputs, const at::Tensor& tokens, const Shown& shown) {
  EXPECT_TRUE(at::equal(inputs.tokens, tokens));
  ASSERT_TRUE(inputs.shown);
  EXPECT_TRUE(at::equal(inputs.shown->positions, shown.positions));
  EXPECT_TRUE(at::equal(inputs.shown->forms, shown.forms));
}

// A recorded step reads where the first one read.
TEST(StepInputs, StayWhereTheyAreAndSayWhereTheyDoNot) {
  StepInputs inputs(at::kCPU);
  const auto places = [&inputs] {
    return std::vector<const void*>{inputs.tokens.const_data_ptr(),
                                    inputs.shown->positions.const_data_ptr(),
                                    inputs.shown->forms.const_data_ptr()};
  };
  EXPECT_TRUE(inputs.take(tokens_of(4), shown_of(4)));
  const auto before = places();
  const at::Tensor tokens = tokens_of(4);
  const Shown shown = shown_of(4);
  EXPECT_FALSE(inputs.take(tokens, shown));
  EXPECT_EQ(places(), before);
  expect_taken(inputs, tokens, shown);
  const at::Tensor fewer = tokens_of(3);
  const Shown fewer_shown = shown_of(3);
  EXPECT_TRUE(inputs.take(fewer, fewer_shown));
  expect_taken(inputs, fewer, fewer_shown);
}

TEST(StepInputs, ShowThePartThatIsAskedFor) {
  StepInputs inputs(at::kCPU);
  inputs.take(tokens_of(4), std::nullopt);
  EXPECT_FALSE(inputs.shown_of(1, 2));
  const Shown shown = shown_of(4);
  inputs.take(tokens_of(4), shown);
  const auto part = inputs.shown_of(1, 2);
  ASSERT_TRUE(part);
  EXPECT_TRUE(at::equal(part->positions, shown.positions.narrow(0, 1, 2)));
  EXPECT_TRUE(at::equal(part->forms, shown.forms.narrow(0, 1, 2)));
}

}  // namespace
}  // namespace sparse_transformer
