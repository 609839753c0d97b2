// Training steps on a GPU, replayed as a graph and launched one by one; skipped where there is
// none.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "config/errors.h"
#include "runtime/device.h"
#include "tests/temporary_folder.h"
#include "training/kernels/adam_cuda.h"
#include "training/learner.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kSteps = 9, kLength = 72;
const c10::Device kDevice{at::kCUDA, 0};

class LearnerCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
    if (!adam_cuda_serves(kDevice)) GTEST_SKIP() << "no kernels for it in this build";
    take_repeatable_kernels(true);
  }

  /// Half precision, which attention's kernels are for; two parts a step, dropout and clip.
  static Settings settings() {
    Settings settings;
    settings.data.source = DataSource::kGenerated;
    settings.data.shape = {4, 6, 3};
    settings.model.layers = 2;
    settings.model.width = 64;
    settings.model.heads = 2;
    settings.model.dropout = 0.2;
    settings.model.attention.layers = {{"local+column"}};
    settings.training.precision = Precision::kBfloat16;
    settings.training.batch = 4;
    settings.training.micro_batch = 2;
    settings.training.warmup = 5;
    settings.training.learning_rate = 0.003;
    settings.training.clip = 0.5;
    resolve(settings.model, kLength, {4, 6, 3});
    return settings;
  }

  static at::Tensor batch(std::int64_t step, std::int64_t sequences = 4) {
    at::manual_seed(static_cast<std::uint64_t>(step));
    return at::randint(0, 256, {sequences, kLength}, at::kByte);
  }

  static std::vector<at::Tensor> everything_of(const Learner& learner) {
    std::vector<at::Tensor> all;
    const CheckpointTensors tensors = learner.tensors();
    for (const NamedTensors* part : {&tensors.model, &tensors.average, &tensors.optimizer}) {
      for (const NamedTensor& tensor : *part) all.push_back(tensor.tensor.detach().clone());
    }
    return all;
  }

  static void expect_same(const Learner& a, const Learner& b) {
    const auto of_a = everything_of(a);
    const auto of_b = everything_of(b);
    for (std::size_t i = 0; i < of_a.size(); ++i) EXPECT_TRUE(at::equal(of_a[i], of_b[i])) << i;
  }
};

/// The recorder of CUDA, which counts what it is asked for and may be disturbed.
class WatchedRecorder : public WorkRecorder {
 public:
  struct Watch {
    int rehearsals = 0, recordings = 0, replays = 0;
    std::function<void()> at_the_end = [] {};  // of the recorded work
  };
  explicit WatchedRecorder(Watch& watch) : watch_(watch) {}

  void rehearse(const Work& work) override {
    ++watch_.rehearsals;
    recorder_->rehearse(work);
  }
  void record(const Work& work) override {
    recorder_->record([&] {
      work();
      watch_.at_the_end();
    });
    ++watch_.recordings;
  }
  void replay() override {
    ++watch_.replays;
    recorder_->replay();
  }
  void forget() override { recorder_->forget(); }

 private:
  Watch& watch_;
  std::unique_ptr<WorkRecorder> recorder_ = cuda_recorder(kDevice);
};

struct Watched {
  explicit Watched(const Settings& settings)
      : learner(settings, kDevice, std::make_unique<WatchedRecorder>(watch)) {}
  WatchedRecorder::Watch watch;
  Learner learner;
};

class LaunchedLearner : public Learner {
 public:
  explicit LaunchedLearner(const Settings& settings) : Learner(settings, kDevice, nullptr) {}
};

TEST_F(LearnerCuda, ReplayedStepsEqualLaunchedOnesBitForBit) {
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat32}) {
    Settings its = settings();
    its.training.precision = precision;
    Watched replayed(its);
    LaunchedLearner launched(its);
    for (std::int64_t step = 0; step < kSteps; ++step) {
      const StepFigures a = replayed.learner.step(batch(step), step, kSteps);
      const StepFigures b = launched.step(batch(step), step, kSteps);
      EXPECT_TRUE(std::isfinite(a.loss.item<double>()));
      EXPECT_EQ(a.loss.item<double>(), b.loss.item<double>());
      EXPECT_EQ(a.gradient_norm.item<double>(), b.gradient_norm.item<double>());
      expect_same(replayed.learner, launched);
    }
    EXPECT_EQ(replayed.watch.recordings, 1);
    EXPECT_EQ(replayed.watch.replays, kSteps - replayed.watch.rehearsals);
  }
}

TEST_F(LearnerCuda, StepsWithListedBlocksAreRecordedToo) {
  Settings its = settings();
  its.model.attention.define = {{"random", {RandomPattern{.block = 16, .blocks = 4}}}};
  its.model.attention.layers = {{"local+random"}};
  resolve(its.model, kLength, {4, 6, 3});
  Watched replayed(its);
  LaunchedLearner launched(its);
  for (std::int64_t step = 0; step < kSteps; ++step) {
    replayed.learner.step(batch(step), step, kSteps);
    launched.step(batch(step), step, kSteps);
  }
  expect_same(replayed.learner, launched);
  EXPECT_EQ(replayed.watch.recordings, 1);
}

// An output matrix this large makes gradients that 2^16 lifts beyond float16's 65,504.
TEST_F(LearnerCuda, AReplayedOverflowChangesNothingButTheScale) {
  Settings its = settings();
  its.training.precision = Precision::kFloat16;
  Watched replayed(its);
  LaunchedLearner launched(its);
  int skipped = 0;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    if (step == 4) {
      at::manual_seed(3);
      const at::Tensor large = 2 * at::randn({256, its.model.width});
      replayed.learner.model().parameters().back().tensor.detach().copy_(large);
      launched.model().parameters().back().tensor.detach().copy_(large);
    }
    const StepFigures figures = replayed.learner.step(batch(step), step, kSteps);
    if (!figures.gradient_norm.isfinite().item<bool>()) ++skipped;
    launched.step(batch(step), step, kSteps);
    expect_same(replayed.learner, launched);
    EXPECT_EQ(replayed.learner.loss_scale(), launched.loss_scale());
  }
  EXPECT_GT(skipped, 0) << "no overflow";
  EXPECT_EQ(replayed.watch.recordings, 1);
}

// Figures are read later than the steps that follow.
TEST_F(LearnerCuda, FiguresAreOfTheirOwnStep) {
  Watched replayed(settings());
  LaunchedLearner launched(settings());
  std::vector<StepFigures> figures;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    figures.push_back(replayed.learner.step(batch(step), step, kSteps));
  }
  for (std::int64_t step = 0; step < kSteps; ++step) {
    EXPECT_EQ(figures[static_cast<std::size_t>(step)].loss.item<double>(),
              launched.step(batch(step), step, kSteps).loss.item<double>());
  }
}

TEST_F(LearnerCuda, ARunResumedInTheMiddleEndsAlike) {
  const TemporaryFolder folder;
  Watched whole(settings());
  Watched resumed(settings());
  std::filesystem::path middle;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    if (step == 5) {
      TrainingProgress progress;
      progress.step = step;
      middle = write_checkpoint(folder.path(), whole.learner.tensors(), progress, "");
    }
    whole.learner.step(batch(step), step, kSteps);
  }
  const Checkpoint checkpoint(middle);
  resumed.learner.restore(checkpoint);
  for (std::int64_t step = 5; step < kSteps; ++step) {
    resumed.learner.step(batch(step), step, kSteps);
  }
  expect_same(whole.learner, resumed.learner);
  // Back to the checkpoint with a graph at hand, as after a step that was not finite.
  whole.learner.restore(checkpoint);
  for (std::int64_t step = 5; step < kSteps; ++step) {
    whole.learner.step(batch(step), step, kSteps);
  }
  expect_same(whole.learner, resumed.learner);
  EXPECT_EQ(whole.watch.recordings, 1) << "its memory is the same";
}

TEST_F(LearnerCuda, StoppedWhileItRecordsItLosesNothing) {
  Watched stopped(settings());
  LaunchedLearner launched(settings());
  stopped.watch.at_the_end = [] { throw Interrupted(2); };
  for (std::int64_t step = 0; step < kSteps; ++step) {
    if (step == 2) {
      EXPECT_THROW(stopped.learner.step(batch(step), step, kSteps), Interrupted);
      expect_same(stopped.learner, launched);
      stopped.watch.at_the_end = [] {};
    }
    stopped.learner.step(batch(step), step, kSteps);
    launched.step(batch(step), step, kSteps);
  }
  expect_same(stopped.learner, launched);
  EXPECT_EQ(stopped.watch.recordings, 1);
}

TEST_F(LearnerCuda, WhatCannotBeRecordedIsLaunched) {
  Watched broken(settings());
  LaunchedLearner launched(settings());
  broken.watch.at_the_end = [] { at::ones({}, at::kCUDA).item<double>(); };  // waits
  for (std::int64_t step = 0; step < kSteps; ++step) {
    broken.learner.step(batch(step), step, kSteps);
    launched.step(batch(step), step, kSteps);
  }
  expect_same(broken.learner, launched);
  EXPECT_EQ(broken.watch.replays, 0);
  Watched other(settings());  // LibTorch's allocator is as before
  for (std::int64_t step = 0; step < kSteps; ++step) {
    other.learner.step(batch(step), step, kSteps);
  }
  expect_same(other.learner, launched);
  EXPECT_EQ(other.watch.recordings, 1);
}

TEST_F(LearnerCuda, ABatchOfAnotherSizeIsRecordedAnew) {
  Watched changing(settings());
  LaunchedLearner launched(settings());
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor tokens = batch(step, step < 5 ? 4 : 3);
    changing.learner.step(tokens, step, kSteps);
    launched.step(tokens, step, kSteps);
  }
  expect_same(changing.learner, launched);
  EXPECT_EQ(changing.watch.recordings, 2);
}

TEST_F(LearnerCuda, FusedAndPlainKernelsLearnAlike) {
  Settings its = settings();
  its.model.dropout = 0.0;
  its.training.precision = Precision::kFloat32;
  Learner fused(its, kDevice);
  its.training.kernels = Kernels::kPlain;
  Learner plain(its, kDevice);
  for (std::int64_t step = 0; step < kSteps; ++step) {
    EXPECT_NEAR(fused.step(batch(0), step, kSteps).loss.item<double>(),
                plain.step(batch(0), step, kSteps).loss.item<double>(), 1e-3);
  }
}

}  // namespace
}  // namespace sparse_transformer
