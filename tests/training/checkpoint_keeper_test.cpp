#include "training/checkpoint_keeper.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "tests/temporary_folder.h"
#include "training/checkpoint_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;

class Keeper : public testing::Test {
 protected:
  void save(std::int64_t step, bool is_sound, std::int64_t rollbacks = 0) {
    TrainingProgress progress;
    progress.step = step;
    progress.rollbacks = rollbacks;
    if (!is_sound) progress.watch.alarm();
    keeper.save_last({.model = {{"w", at::ones({2})}}, .average = {}, .optimizer = {}}, progress);
  }

  std::vector<std::int64_t> kept() const {
    std::vector<std::int64_t> steps;
    for (const auto& folder : list_checkpoints(temporary.path())) {
      steps.push_back(checkpoint_step(folder));
    }
    return steps;
  }

  TemporaryFolder temporary;
  CheckpointKeeper keeper{temporary.path(), "", 2};
};

TEST_F(Keeper, WhatIsSavedInTroublePushesOutNoSoundCheckpoint) {
  for (const std::int64_t step : {1, 2, 3}) save(step, true);
  EXPECT_THAT(kept(), ElementsAre(2, 3));
  for (const std::int64_t step : {4, 5, 6}) save(step, false);
  EXPECT_THAT(kept(), ElementsAre(2, 3, 5, 6));
  EXPECT_EQ(checkpoint_step(*keeper.newest_sound()), 3);
  save(7, true);
  EXPECT_THAT(kept(), ElementsAre(3, 5, 6, 7));
}

TEST_F(Keeper, GoesBackToTheNewestSoundOneOrElseToTheNewest) {
  EXPECT_FALSE(keeper.newest_sound());
  save(1, false);
  save(2, false);
  EXPECT_EQ(checkpoint_step(*keeper.newest_sound()), 2);
  save(3, true);
  save(4, false);
  EXPECT_EQ(checkpoint_step(*keeper.newest_sound()), 3);
  keeper.drop_after(3);
  EXPECT_THAT(kept(), ElementsAre(2, 3));
  EXPECT_EQ(std::filesystem::read_symlink(temporary.path() / "latest"), "step-00000003");
}

TEST_F(Keeper, PassesOverWeightsThatFailAtTheirNextStepAgain) {
  for (const std::int64_t step : {1, 2}) save(step, true);
  EXPECT_EQ(checkpoint_step(*keeper.newest_sound_before(3)), 2);
  save(2, true, /*rollbacks=*/1);
  EXPECT_EQ(checkpoint_step(*keeper.newest_sound_before(3)), 1);
  EXPECT_EQ(checkpoint_step(*keeper.newest_sound_before(4)), 2);
  keeper.drop_after(1);
  save(1, true, /*rollbacks=*/1);
  EXPECT_EQ(checkpoint_step(*keeper.newest_sound_before(2)), 1) << "there is no other";
}

// What it cannot read may be whole on a disk that recovers: it stays, and pushes out nothing.
TEST_F(Keeper, ACheckpointThatCannotBeReadIsNeitherCountedNorDropped) {
  for (const std::int64_t step : {1, 2}) save(step, true);
  std::filesystem::remove(temporary / "step-00000001/state.json");
  testing::internal::CaptureStderr();
  for (const std::int64_t step : {3, 4, 5}) save(step, true);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(kept(), ElementsAre(1, 4, 5));
  EXPECT_THAT(said, testing::HasSubstr("step-00000001: damaged checkpoint: state.json is missing"));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;  // once
}

TEST_F(Keeper, LinksThatCannotBePointedAreNoFailureOfTheSave) {
  for (const char* link : {"latest", "best"}) std::filesystem::create_directory(temporary / link);
  TrainingProgress progress;
  progress.step = progress.best_step = 1;
  EXPECT_TRUE(
      keeper.save({.model = {{"w", at::ones({2})}}, .average = {}, .optimizer = {}}, progress));
  EXPECT_THAT(kept(), ElementsAre(1));
}

}  // namespace
}  // namespace sparse_transformer
