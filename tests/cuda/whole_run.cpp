// What a run of all tests of cuda_test does beside them, as variables of the environment say:
//   SPARSE_TRANSFORMER_EVERY_KERNEL   fails where some kernel was never launched
//   SPARSE_TRANSFORMER_SCHEDULE       backwards: the last block and its last warp run first;
//                                     together: several blocks take turns, so that they really wait
//                                     for each other. No result may depend on it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "tests/cuda/device.h"

namespace {

ptx::Schedule schedule_of(const std::string& name) {
  if (name == "backwards") return {.backwards = true};
  if (name == "together") return {.backwards = true, .resident = 5};
  throw std::invalid_argument("SPARSE_TRANSFORMER_SCHEDULE: backwards or together");
}

class WholeRun : public testing::Environment {
 public:
  void SetUp() override {
    const char* const schedule = std::getenv("SPARSE_TRANSFORMER_SCHEDULE");
    if (schedule != nullptr) ptx::Device::instance().schedule() = schedule_of(schedule);
  }

  void TearDown() override {
    if (std::getenv("SPARSE_TRANSFORMER_EVERY_KERNEL") == nullptr) return;
    const auto& counters = ptx::Device::instance().counters();
    for (const std::string& name : ptx::Device::instance().kernel_names()) {
      EXPECT_TRUE(counters.contains(name)) << "no test launches " << name;
    }
  }
};

const testing::Environment* const whole_run = testing::AddGlobalTestEnvironment(new WholeRun);

}  // namespace
