// How many kernels a training step of the paper's models launches, against the table in
// docs/launches.md.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/cuda/device.h"
#include "tests/cuda/kept_table.h"
#include "tests/libtorch_cuda/operations.h"
#include "training/inspection.h"
#include "training/learner.h"

namespace sparse_transformer {
namespace {

const c10::Device kGpu{at::kCUDA, 0};
constexpr const char* kWrite = "SPARSE_TRANSFORMER_WRITE_LAUNCHES";

/// Kernels of our own, and operations of LibTorch, each of which is taken for one launch.
struct Launches {
  std::int64_t own = 0, libtorch = 0;
  Launches operator-(const Launches& other) const {
    return {own - other.own, libtorch - other.libtorch};
  }
  Launches operator+(const Launches& other) const {
    return {own + other.own, libtorch + other.libtorch};
  }
  Launches operator*(std::int64_t times) const { return {own * times, libtorch * times}; }
};

Settings settings_of(const std::string& config) {
  return inspect({SPARSE_TRANSFORMER_CONFIGS "/" + config + ".yaml"}, {}).settings;
}

/// A config with narrow layers and short sequences, which change no number of launches, and at
/// least the 1,024 rows from which on our own kernels compute the feed-forward part.
Settings shortened(const std::string& config, std::int64_t passes) {
  Settings settings = settings_of(config);
  if (settings.data.source == DataSource::kBytes) {
    settings.data.sequence = 1024;
  } else {
    settings.data = {};
    settings.data.source = DataSource::kGenerated;
    settings.data.shape = {8, 32, 3};
  }
  settings.model.width = 16 * settings.model.heads;
  settings.training.batch = *settings.training.micro_batch * passes;
  resolve(settings.model, sequence_layout(settings).length, settings.data.shape);
  return settings;
}

/// Of a step, which is recorded only: nothing is computed.
Launches launches_of(const Settings& settings) {
  Learner learner(settings, kGpu, nullptr);
  learner.compute_by({{kFeedforward, KernelKind::kOwn}});
  const at::Tensor tokens =
      at::zeros({settings.training.batch, sequence_layout(settings).length}, at::kByte);
  libtorch_cuda::forget_operations();
  ptx::Device::instance().begin_recording();
  learner.step(tokens, 1, 10);
  const std::int64_t all = std::ssize(ptx::Device::instance().end_recording());
  const std::int64_t libtorch = std::ssize(libtorch_cuda::operations());
  return {all - libtorch, libtorch};
}

const std::vector<std::string>& configs() {
  static const std::vector<std::string> all = {"cifar10", "enwik8", "imagenet64"};
  return all;
}

class LibtorchCudaLaunches : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Configs, LibtorchCudaLaunches, testing::ValuesIn(configs()),
                         [](const auto& its) { return its.param; });

TEST_P(LibtorchCudaLaunches, HaveNotGrown) {
  const TrainingSettings training = settings_of(GetParam()).training;
  const std::int64_t passes = training.batch / *training.micro_batch;
  const Launches one = launches_of(shortened(GetParam(), 1));
  const Launches two = launches_of(shortened(GetParam(), 2));
  const Launches all = one + (two - one) * (passes - 1);
  KeptTable table(SPARSE_TRANSFORMER_LAUNCHES,
                  {"config", "own", "LibTorch", "one pass", "passes", "own", "LibTorch", "a step"});
  table.expect_no_growth(GetParam(),
                         {one.own, one.libtorch, one.own + one.libtorch, passes, all.own,
                          all.libtorch, all.own + all.libtorch},
                         kWrite, configs());
}

// Adam writes the weights in half precision too (training/kernels/adam.h).
TEST_P(LibtorchCudaLaunches, NoParameterIsCast) {
  const Settings settings = shortened(GetParam(), 1);
  const Learner learner(settings, kGpu, nullptr);
  std::set<std::string> casts;
  for (const NamedTensor& parameter : learner.model().parameters()) {
    std::string sizes =
        libtorch_cuda::text_of(parameter.tensor).substr(std::string("Float").size());
    casts.insert("Half" + sizes);
  }
  launches_of(settings);
  for (const libtorch_cuda::Operation& operation : libtorch_cuda::operations()) {
    if (operation.name != "aten::copy_") continue;
    EXPECT_FALSE(casts.contains(operation.args[0])) << operation.args[0];
  }
}

}  // namespace
}  // namespace sparse_transformer
