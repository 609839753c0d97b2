// Training steps with the program's CUDA side, on the interpreter.
#include "training/learner.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>

#include "config/words.h"

namespace sparse_transformer {
namespace {

const c10::Device kGpu{at::kCUDA, 0};

struct Case {
  std::string pattern;
  Precision precision;
  Recompute recompute = Recompute::kNone;
  std::int64_t length = 192;
};

std::string name_of(const Case& c) {
  std::string name = c.pattern + "_" + std::string(word_of(kPrecisionWords, c.precision)) + "_" +
                     std::string(word_of(kRecomputeWords, c.recompute)) + "_" +
                     std::to_string(c.length);
  std::replace(name.begin(), name.end(), '+', '_');
  return name;
}
void PrintTo(const Case& c, std::ostream* out) { *out << name_of(c); }

Settings settings_of(const Case& c) {
  Settings settings;
  settings.data.source = DataSource::kGenerated;
  settings.data.shape = {c.length / 24, 8, 3};
  settings.model.layers = 2;
  settings.model.width = 64;
  settings.model.heads = 2;
  settings.model.dropout = 0.2;
  settings.model.attention.stride = 24;
  settings.model.attention.summary = 8;
  settings.model.attention.layers = {{c.pattern}};
  settings.training.precision = c.precision;
  settings.training.recompute = c.recompute;
  settings.training.batch = 2;
  settings.training.micro_batch = 1;
  settings.training.warmup = 2;
  settings.training.learning_rate = 0.003;
  settings.training.clip = 0.5;
  settings.training.average = 0.9;
  resolve(settings.model, c.length, {c.length / 24, 8, 3});
  return settings;
}

class LibtorchCudaLearner : public testing::TestWithParam<Case> {};

// Against the CPU in float32. The feed-forward part's own kernels begin at 1,024 rows.
TEST_P(LibtorchCudaLearner, LearnsWhatTheProcessorLearns) {
  Settings settings = settings_of(GetParam());
  Learner gpu(settings, kGpu, nullptr);
  gpu.compute_by({{kFeedforward, KernelKind::kOwn}});
  settings.training.precision = Precision::kFloat32;
  settings.training.recompute = Recompute::kNone;
  Learner cpu(settings, at::kCPU);
  at::manual_seed(2);
  const at::Tensor tokens = at::randint(0, 256, {2, GetParam().length}, at::kByte);
  for (std::int64_t step = 0; step < 2; ++step) {
    const StepFigures a = gpu.step(tokens, step, 10);
    const StepFigures b = cpu.step(tokens, step, 10);
    EXPECT_NEAR(a.loss.item<double>(), b.loss.item<double>(), 5e-3);
    EXPECT_NEAR(a.gradient_norm.item<double>() / b.gradient_norm.item<double>(), 1.0, 2e-2);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, LibtorchCudaLearner,
    testing::Values(Case{"local", Precision::kFloat32}, Case{"column", Precision::kFloat16},
                    Case{"local+column", Precision::kFloat32},
                    Case{"local+column", Precision::kBfloat16},
                    Case{"local+column", Precision::kFloat16, Recompute::kAttention},
                    Case{"fixed", Precision::kFloat32}, Case{"fixed", Precision::kBfloat16},
                    Case{"fixed", Precision::kFloat16, Recompute::kBlock},
                    Case{"dense", Precision::kBfloat16},
                    Case{"local+column", Precision::kBfloat16, Recompute::kNone, 1032}),
    [](const auto& its) { return name_of(its.param); });

}  // namespace
}  // namespace sparse_transformer
