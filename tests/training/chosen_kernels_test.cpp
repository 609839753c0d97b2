#include "training/chosen_kernels.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/data_settings.h"
#include "files/atomic_file.h"
#include "files/sha256.h"
#include "tests/temporary_folder.h"
#include "training/checkpoint_folder.h"
#include "training/trainer.h"

namespace sparse_transformer {
namespace {

using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

const KernelChoice kRecorded = {{"column", KernelKind::kCublas},
                                {"local", KernelKind::kOwn},
                                {kFeedforward, KernelKind::kCublas}};

Settings tiny_settings() {
  Settings settings;
  settings.data.source = DataSource::kGenerated;
  settings.data.shape = {8, 8, 3};
  settings.model.layers = 2;
  settings.model.width = 32;
  settings.model.heads = 2;
  settings.model.attention.layers = {{"local"}, {"column"}};
  settings.training.batch = 2;
  settings.training.steps = 2;
  settings.training.evaluate_every = 0;
  settings.training.sample_every = 0;
  settings.training.device = DeviceChoice::kCpu;
  resolve(settings.model, 192, {8, 8, 3});
  return settings;
}

TEST(ChosenKernels, OnTheCpuAreNotMeasured) {
  const Settings settings = tiny_settings();
  EXPECT_THAT(choose_kernels(settings, at::kCPU), IsEmpty());
  EXPECT_EQ(choose_kernels(settings, at::kCPU, kRecorded), kRecorded);
  EXPECT_FALSE(choose_attention_kernel(settings, LayerPattern{}, {settings, at::kCPU}));
}

TEST(ChosenKernels, OnCudaAreChosenOnceForEveryPart) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU here";
  Settings settings = tiny_settings();
  settings.training.precision = Precision::kBfloat16;
  const KernelChoice choice = choose_kernels(settings, {at::kCUDA, 0});
  EXPECT_THAT(choice, UnorderedElementsAre(Key("local"), Key("column"), Key(kFeedforward)));
  EXPECT_EQ(available_kernels(settings, {at::kCUDA, 0}, choice), choice);
  EXPECT_EQ(choose_kernels(settings, {at::kCUDA, 0}, kRecorded), kRecorded);
}

class RecordedChoice : public testing::Test {
 protected:
  /// Trains to the end, going on from what is there.
  Checkpoint train(const Settings& settings) const {
    const DataSet data = open_data(settings.data);
    const RunFolder run(folder.path());
    Trainer trainer(settings, data, run);
    if (const auto before = newest()) trainer.resume(*before);
    trainer.train();
    return *newest();
  }

  std::optional<Checkpoint> newest() const {
    const auto all = list_checkpoints(RunFolder(folder.path()).checkpoints());
    if (all.empty()) return std::nullopt;
    return Checkpoint(all.back());
  }

  TemporaryFolder folder;
};

TEST_F(RecordedChoice, IsNoneOnTheCpu) {
  EXPECT_THAT(train(tiny_settings()).progress().kernels, IsEmpty());
}

// Of the time when only attention had a choice.
TEST_F(RecordedChoice, IsReadFromAnEarlierCheckpoint) {
  const Checkpoint first = train(tiny_settings());
  TrainingProgress progress = first.progress();
  progress.kernels = {{"local", KernelKind::kFlash}};
  const Learner learner(tiny_settings(), at::kCPU);
  const std::filesystem::path written = write_checkpoint(
      RunFolder(folder.path()).checkpoints(), learner.tensors(), progress, first.config_yaml());
  std::string state = read_file(written / "state.json");
  std::string manifest = read_file(written / "manifest.json");
  const std::string hash = sha256_of_file(written / "state.json");
  state.replace(state.find("\"kernels\""), 9, "\"attention\"");
  write_file(written / "state.json", state);
  manifest.replace(manifest.find(hash), hash.size(), sha256_of_file(written / "state.json"));
  write_file(written / "manifest.json", manifest);
  EXPECT_EQ(newest()->progress().kernels, progress.kernels);
}

TEST_F(RecordedChoice, IsReadAgainAndKeptByTheRunThatGoesOn) {
  Settings settings = tiny_settings();
  const Checkpoint first = train(settings);
  TrainingProgress progress = first.progress();
  progress.kernels = kRecorded;
  const Learner learner(settings, at::kCPU);
  write_checkpoint(RunFolder(folder.path()).checkpoints(), learner.tensors(), progress,
                   first.config_yaml());
  EXPECT_EQ(newest()->progress().kernels, kRecorded);
  settings.training.steps = 4;
  const Checkpoint last = train(settings);
  EXPECT_EQ(last.progress().step, 4);
  EXPECT_EQ(last.progress().kernels, kRecorded);
}

}  // namespace
}  // namespace sparse_transformer
