// Fails a run of all tests of cuda_test in which some kernel was never launched.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/cuda/device.h"

namespace {

class EveryKernel : public testing::Environment {
 public:
  void TearDown() override {
    if (std::getenv("SPARSE_TRANSFORMER_EVERY_KERNEL") == nullptr) return;
    const auto& counters = ptx::Device::instance().counters();
    for (const std::string& name : ptx::Device::instance().kernel_names()) {
      EXPECT_TRUE(counters.contains(name)) << "no test launches " << name;
    }
  }
};

const testing::Environment* const every_kernel = testing::AddGlobalTestEnvironment(new EveryKernel);

}  // namespace
