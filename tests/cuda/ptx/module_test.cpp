#include "tests/cuda/ptx/module.h"

#include <gtest/gtest.h>

#include "tests/cuda/device.h"

namespace ptx {
namespace {

TEST(PtxModule, EveryKernelOfTheProgramIsUnderstood) {
  const std::vector<std::string> names = Device::instance().kernel_names();
  EXPECT_FALSE(names.empty());
  for (const std::string& name : names) {
    EXPECT_NO_THROW(Device::instance().kernel(name)) << name;
  }
}

}  // namespace
}  // namespace ptx
