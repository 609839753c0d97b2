#include "training/checkpoint_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/temporary_folder.h"
#include "training/checkpoint.h"
#include "training/run_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class CheckpointFolder : public testing::Test {
 protected:
  CheckpointFolder() { fs::create_directory(checkpoints()); }

  fs::path run() const { return temporary_.path(); }
  fs::path checkpoints() const { return run() / "checkpoints"; }

  fs::path save(std::int64_t step, std::int64_t best_step, double weight = 1.0) const {
    TrainingProgress progress;
    progress.step = step;
    progress.best_step = best_step;
    return write_checkpoint(
        checkpoints(), {.model = {{"w", at::full({2}, weight)}}, .average = {}, .optimizer = {}},
        progress, "");
  }

  double weight_of(std::int64_t step) const {
    const at::Tensor w = at::zeros({2});
    Checkpoint(checkpoint_path(checkpoints(), step)).read_model({{"w", w}});
    return w[0].item<double>();
  }

  void rename(const std::string& from, const std::string& to) const {
    fs::rename(checkpoints() / from, checkpoints() / to);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(checkpoints())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  std::string target(const char* link) const { return fs::read_symlink(checkpoints() / link); }

  TemporaryFolder temporary_;
};

TEST_F(CheckpointFolder, ListsStepsInOrderAndNothingElse) {
  for (const char* name : {"step-00000010", "step-9", "step-x", "step-", "step-1x", ".tmp-step-1",
                           "step--1", "step-99999999999999999999"}) {
    fs::create_directory(checkpoints() / name);
  }
  fs::create_symlink("step-9", checkpoints() / "latest");
  temporary_.write_text("checkpoints/step-12", "a file");
  EXPECT_THAT(list_checkpoints(checkpoints()),
              ElementsAre(checkpoints() / "step-9", checkpoints() / "step-00000010"));
  EXPECT_THAT(list_checkpoints(run() / "nowhere"), IsEmpty());
}

TEST_F(CheckpointFolder, BestStaysWhereTheNewestCannotBeRead) {
  save(4, 4);
  const fs::path newest = save(8, 8);
  point_links(checkpoints());
  fs::resize_file(newest / "state.json", 10);
  point_links(checkpoints());
  EXPECT_EQ(target("best"), "step-00000008");
}

// The moments at which a process can be killed, and what the next start makes of them.
TEST_F(CheckpointFolder, AWholeCheckpointThatHasNoNameGetsIt) {
  save(4, 4);
  save(8, 8);
  rename("step-00000008", ".tmp-step-00000008");
  finish_interrupted_saves(checkpoints());
  EXPECT_THAT(names(), UnorderedElementsAre("step-00000004", "step-00000008", "latest", "best"));
  EXPECT_EQ(target("latest"), "step-00000008");
  EXPECT_EQ(target("best"), "step-00000008");
}

TEST_F(CheckpointFolder, AHalfOneIsRemoved) {
  save(4, 0);
  save(8, 0);
  rename("step-00000008", ".tmp-step-00000008");
  fs::remove(checkpoints() / ".tmp-step-00000008/manifest.json");
  finish_interrupted_saves(checkpoints());
  EXPECT_THAT(names(), UnorderedElementsAre("step-00000004", "latest"));
}

// Without an exchange of names, between the two renames: the newer one has not got its name, the
// older one has lost it.
TEST_F(CheckpointFolder, OfTwoWithoutANameTheNewerOneGetsIt) {
  save(4, 0, 1.0);
  rename("step-00000004", ".tmp-replaced-step-00000004");
  save(4, 0, 2.0);
  rename("step-00000004", ".tmp-step-00000004");
  finish_interrupted_saves(checkpoints());
  EXPECT_THAT(names(), UnorderedElementsAre("step-00000004", "latest"));
  EXPECT_EQ(weight_of(4), 2.0);
}

TEST_F(CheckpointFolder, TheOlderOneGetsTheNameWhereTheNewerOneIsHalf) {
  save(4, 0, 1.0);
  rename("step-00000004", ".tmp-replaced-step-00000004");
  fs::create_directory(checkpoints() / ".tmp-step-00000004");
  finish_interrupted_saves(checkpoints());
  EXPECT_EQ(weight_of(4), 1.0);
}

TEST_F(CheckpointFolder, WhatHasItsNameStays) {
  save(4, 0, 2.0);
  rename("step-00000004", ".tmp-step-00000004");
  save(8, 0);
  rename(".tmp-step-00000004", "x");
  save(4, 0, 3.0);
  rename("x", ".tmp-step-00000004");
  finish_interrupted_saves(checkpoints());
  EXPECT_EQ(weight_of(4), 3.0);
  EXPECT_THAT(names(), UnorderedElementsAre("step-00000004", "step-00000008", "latest"));
}

// It may be of a branch that the run has left.
TEST_F(CheckpointFolder, ADroppedOneIsNeverNamedAgain) {
  save(4, 0);
  save(8, 0);
  rename("step-00000008", ".tmp-dropped-step-00000008");
  finish_interrupted_saves(checkpoints());
  EXPECT_THAT(names(), UnorderedElementsAre("step-00000004", "latest"));
}

// A folder whose name was changed by hand.
TEST_F(CheckpointFolder, OneOfAnotherStepIsNotNamed) {
  save(4, 0);
  rename("step-00000004", ".tmp-step-00000008");
  finish_interrupted_saves(checkpoints());
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(CheckpointFolder, SavingAStepAgainReplacesIt) {
  save(4, 0, 1.0);
  save(4, 4, 2.0);
  EXPECT_EQ(weight_of(4), 2.0);
  EXPECT_THAT(names(), ElementsAre("step-00000004"));
}

TEST_F(CheckpointFolder, TheBestIsToldByTheNewestStateWhoseBestIsThere) {
  save(4, 4);
  save(8, 6);  // whose save failed
  save(12, 6);
  const auto known = known_checkpoints(checkpoints());
  EXPECT_EQ(best_checkpoint(known)->path, checkpoints() / "step-00000004");
}

TEST_F(CheckpointFolder, ReadersNeedNoLinksAndSayWhenOneIsStale) {
  save(4, 4);
  save(8, 8);
  save(12, 8);
  EXPECT_EQ(find_checkpoint(run()), checkpoints() / "step-00000008");
  point_link(checkpoints() / "best", "step-00000004");
  point_link(checkpoints() / "latest", "step-00000008");
  testing::internal::CaptureStderr();
  EXPECT_EQ(find_checkpoint(run()), checkpoints() / "step-00000008");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("best points to step-00000004, but the best checkpoint is step-00000008"));
  testing::internal::CaptureStderr();
  EXPECT_EQ(find_checkpoint(checkpoints() / "latest"), checkpoints() / "latest");
  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      HasSubstr("latest points to step-00000008, but the newest checkpoint is step-00000012"));
  point_links(checkpoints());
  testing::internal::CaptureStderr();
  find_checkpoint(run());
  find_checkpoint(checkpoints() / "latest");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(CheckpointFolder, ADamagedNewestOneIsNotPassedOverInSilence) {
  save(4, 4);
  save(8, 8);
  fs::remove(checkpoints() / "step-00000008/manifest.json");
  try {
    find_checkpoint(run());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("damaged checkpoint: manifest.json is missing"));
  }
}

// A user moved it to another disk and left a link.
class MovedCheckpoint : public CheckpointFolder {
 protected:
  MovedCheckpoint() {
    save(4, 0, 1.0);
    fs::rename(save(8, 0, 2.0), away());
    fs::create_directory_symlink("../away", moved());
  }

  fs::path away() const { return run() / "away"; }
  fs::path moved() const { return checkpoints() / "step-00000008"; }
};

TEST_F(MovedCheckpoint, IsFollowed) {
  EXPECT_EQ(find_checkpoint(run()), moved());
  EXPECT_EQ(weight_of(8), 2.0);
  EXPECT_THAT(list_checkpoints(checkpoints()),
              ElementsAre(checkpoints() / "step-00000004", moved()));
  finish_interrupted_saves(checkpoints());
  EXPECT_TRUE(fs::is_symlink(moved()));
  EXPECT_EQ(target("latest"), "step-00000008");
}

TEST_F(MovedCheckpoint, IsDroppedByItsLinkAlone) {
  remove_checkpoint(moved());
  EXPECT_THAT(names(), ElementsAre("step-00000004"));
  EXPECT_TRUE(fs::exists(away() / "model.safetensors"));
}

TEST_F(MovedCheckpoint, IsReplacedByItsLinkAlone) {
  save(8, 0, 3.0);
  EXPECT_EQ(weight_of(8), 3.0);
  EXPECT_THAT(names(), UnorderedElementsAre("step-00000004", "step-00000008"));
  EXPECT_TRUE(fs::exists(away() / "model.safetensors"));
}

TEST_F(MovedCheckpoint, GetsItsNameBackAfterAKill) {
  rename("step-00000008", ".tmp-replaced-step-00000008");
  finish_interrupted_saves(checkpoints());
  EXPECT_EQ(weight_of(8), 2.0);
  EXPECT_TRUE(fs::exists(away() / "model.safetensors"));
}

TEST_F(MovedCheckpoint, IsMissedWhereItsDiskIsNotThere) {
  fs::rename(away(), run() / "elsewhere");
  try {
    find_checkpoint(run());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr(moved().string() + ": the folder that this link points to is missing"));
  }
}

class ManifestCase : public CheckpointFolder, public testing::WithParamInterface<const char*> {};

std::string problem_of(const fs::path& checkpoint) {
  try {
    Checkpoint{checkpoint};
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST_F(CheckpointFolder, AManifestThatNamesSomethingTwiceIsRefused) {
  TrainingProgress progress;
  progress.step = 4;
  const fs::path checkpoint = write_checkpoint(
      checkpoints(), {.model = {{"w", at::ones({2})}}, .average = {}, .optimizer = {}}, progress,
      "");
  const std::string whole = read_file(checkpoint / "manifest.json");
  const auto problem = [&](const std::string& name, const std::string& twice) {
    std::string manifest = whole;
    manifest.replace(manifest.find("\"" + name + "\""), name.size() + 2, twice);
    temporary_.write_text("checkpoints/step-00000004/manifest.json", manifest);
    return problem_of(checkpoint);
  };
  const std::string begin = checkpoint.string() + ": damaged checkpoint: manifest.json ";
  EXPECT_EQ(problem("sha256", R"("sha256": {}, "sha256")"), begin + "names 'sha256' twice");
  EXPECT_EQ(problem("state.json", R"("state.json": "", "state.json")"),
            begin + "names 'state.json' twice");
  EXPECT_EQ(problem("sha256", "7"), begin + "is not valid JSON (at byte 5)");
}

TEST_P(ManifestCase, NamesEveryFileOfTheCheckpoint) {
  TrainingProgress progress;
  progress.step = 4;
  const fs::path checkpoint = write_checkpoint(
      checkpoints(),
      {.model = {{"w", at::ones({2})}}, .average = {{"w", at::ones({2})}}, .optimizer = {}},
      progress, "");
  EXPECT_EQ(problem_of(checkpoint), "");
  const std::string name = GetParam();
  std::string manifest = read_file(checkpoint / "manifest.json");
  const std::size_t at = manifest.find("\"" + name);
  manifest.replace(at, name.size() + 1, "\"" + name + "x");
  fs::copy_file(checkpoint / name, checkpoint / (name + "x"));
  temporary_.write_text("checkpoints/step-00000004/manifest.json", manifest);
  EXPECT_THAT(problem_of(checkpoint), HasSubstr("manifest.json does not name " + name));
  fs::remove(checkpoint / name);
  EXPECT_THAT(problem_of(checkpoint), HasSubstr(name + " is missing"));
}

INSTANTIATE_TEST_SUITE_P(Files, ManifestCase,
                         testing::Values("model.safetensors", "average.safetensors",
                                         "optimizer.safetensors", "state.json", "config.yaml"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(0, name.find('.'));
                         });

TEST_F(CheckpointFolder, NameAndStateTellTheSameStep) {
  save(4, 0);
  rename("step-00000004", "step-00000005");
  EXPECT_THAT(problem_of(checkpoints() / "step-00000005"),
              HasSubstr("state.json is of step 4, not of the step in the folder's name"));
  rename("step-00000005", "kept");
  EXPECT_EQ(problem_of(checkpoints() / "kept"), "");
}

}  // namespace
}  // namespace sparse_transformer
