#include "runtime/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

TEST(Device, TheProcessorIsAlwaysThere) {
  EXPECT_EQ(choose_device(DeviceChoice::kCpu), at::Device(at::kCPU));
}

TEST(Device, AutoTakesAGpuWhereThereIsOne) {
  const at::Device expected = at::hasCUDA() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  EXPECT_EQ(choose_device(DeviceChoice::kAuto), expected);
}

TEST(Device, CudaThatCannotBeHadIsRefused) {
  EXPECT_THAT([] { choose_device(DeviceChoice::kCuda, 99); },
              ThrowsMessage<UserError>(StartsWith("device: cuda asked for, but ")));
}

TEST(Device, RepeatableKernelsAreAskedOfLibTorch) {
  take_repeatable_kernels(true);
  EXPECT_TRUE(at::globalContext().deterministicAlgorithms());
  EXPECT_TRUE(at::globalContext().deterministicAlgorithmsWarnOnly());
  EXPECT_FALSE(at::globalContext().deterministicFillUninitializedMemory());
  take_repeatable_kernels(false);
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
}

TEST(Machine, IsDescribed) {
  const auto machine = describe_machine(at::kCPU);
  EXPECT_THAT(machine,
              AllOf(Contains(Pair("threads", std::to_string(at::get_num_threads()))),
                    Contains(Pair("processor", Not(IsEmpty()))),
                    Contains(Pair("instructions", Not(IsEmpty()))),
                    Contains(Pair("libtorch", StartsWith("2."))), Not(Contains(Key("gpu")))));
}

TEST(Machine, AGpuIsNamed) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  EXPECT_THAT(describe_machine(at::Device(at::kCUDA, 0)),
              Contains(Pair("gpu", StartsWith("NVIDIA"))));
}

TEST(Machine, DifferencesAreNamed) {
  EXPECT_EQ(machine_difference({{"threads", "8"}, {"processor", "A"}},
                               {{"threads", "8"}, {"processor", "A"}}),
            "");
  EXPECT_EQ(machine_difference({{"threads", "8"}, {"processor", "A"}},
                               {{"threads", "2"}, {"processor", "A"}, {"gpu", "B"}}),
            "gpu: none, now B; threads: 8, now 2");
}

}  // namespace
}  // namespace sparse_transformer
