#include "runtime/cuda/device.h"

#include <gtest/gtest.h>

namespace sparse_transformer {
namespace {

TEST(DeviceCode, IsThereForTheDevice) {
  EXPECT_TRUE(has_code_for_device());
  EXPECT_TRUE(has_code_for_device()) << "the second time";
}

TEST(DeviceCode, ErrorsHaveAText) { EXPECT_STREQ(cuda_error(0), "no error"); }

}  // namespace
}  // namespace sparse_transformer
