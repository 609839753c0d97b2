// Data that change while they are read, or between the commands of a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class ChangedData : public TinyRuns {
 protected:
  static constexpr const char* kLong =
      " --set training.steps=100000 --set training.sample_every=0 --set training.evaluate_every=0 ";

  void append_to_data() const { std::ofstream(folder() / "data.bin", std::ios::app) << "more"; }
};

struct CutFile {
  std::string name, before, config, file;
};

class CutData : public ChangedData, public testing::WithParamInterface<CutFile> {};

// The system sends SIGBUS to whoever reads a mapped page that a file has no more.
TEST_P(CutData, EndsWithALineAndTheLastStepSaved) {
  const CutFile& cut = GetParam();
  ASSERT_EQ(sh(cut.before).exit_code, 0);
  RunningCommand command = start("train tiny.yaml --run a " + cut.config + kLong +
                                 "--set training.checkpoint_every=100000");
  ASSERT_TRUE(command.wait_for_stderr("train 2/"));
  fs::resize_file(folder() / cut.file, 100);
  const CommandResult result = command.finish();
  EXPECT_EQ(result.exit_code, 1) << result.err;
  EXPECT_THAT(lines_of(result.err).back(), HasSubstr("error: "));
  EXPECT_THAT(lines_of(result.err).back(), HasSubstr(cut.file + " was cut while it was in use"));
  EXPECT_THAT(result.err, HasSubstr("saved step "));
  EXPECT_THAT(run("inspect a/checkpoints/latest").out, HasSubstr("step"));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, CutData,
    testing::Values(
        CutFile{"bytes", "true", "", "data.bin"},
        CutFile{"packed", "\"$PROGRAM\" prepare tiny.yaml --out p.safetensors",
                "--set data.source=packed --set data.path=p.safetensors "
                "--set data.split.valid=[] --set data.split.test=[]",
                "p.safetensors"},
        // 80 pictures of 8 x 4, all one colour.
        CutFile{"numpy",
                "{ printf '\\223NUMPY\\001\\000\\166\\000'; printf '%-117s\\n' "
                "\"{'descr': '|u1', 'fortran_order': False, 'shape': (80, 8, 4), }\"; "
                "head -c 2560 data.bin; } > x.npy",
                "--set data.source=numpy --set data.path=x.npy --set data.shape=[8,4,1] "
                "--set data.sequence=null --set data.split.valid=[] --set data.split.test=[]",
                "x.npy"}),
    [](const auto& test) { return test.param.name; });

TEST_F(ChangedData, IsSaidOnceWhenACheckpointIsMade) {
  RunningCommand command =
      start("train tiny.yaml --run a " + std::string(kLong) + "--set training.checkpoint_every=4");
  ASSERT_TRUE(command.wait_for_stderr("train 2/"));
  append_to_data();
  ASSERT_TRUE(command.wait_for_stderr("had 3000 bytes and has 3004"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  command.send(SIGTERM);
  const std::string err = command.finish().err;
  EXPECT_EQ(err.find("the data change"), err.rfind("the data change")) << err;
}

TEST_F(ChangedData, EvaluateWarnsUnlessOtherDataAreAskedFor) {
  train("a");
  EXPECT_EQ(run("evaluate a").err, "");
  ASSERT_EQ(sh("cp data.bin same.bin; head -c 2000 data.bin > other.bin").exit_code, 0);
  EXPECT_EQ(run("evaluate a --set data.path=same.bin").err, "");
  const CommandResult asked = run("evaluate a --set data.path=other.bin");
  EXPECT_EQ(asked.exit_code, 0);
  EXPECT_THAT(asked.err, testing::AllOf(HasSubstr("other.bin"), HasSubstr("as --set asks for"),
                                        Not(HasSubstr("warning"))));
  append_to_data();
  const CommandResult changed = run("evaluate a --json");
  EXPECT_EQ(changed.exit_code, 0);
  EXPECT_EQ(lines_of(changed.err).size(), 1U);
  EXPECT_THAT(changed.err, testing::AllOf(HasSubstr("warning: "), HasSubstr("data.bin"),
                                          HasSubstr("it has changed since")));
  expect_refused("train --run a --resume --set training.steps=9", {"other data"});
  EXPECT_THAT(run("attention a --out a.png").err, HasSubstr("it has changed since"));
}

TEST_F(ChangedData, IsSaidWhenASignalMakesTheOnlyCheckpoint) {
  RunningCommand command = start("train tiny.yaml --run a " + std::string(kLong) +
                                 "--set training.checkpoint_every=1000000");
  ASSERT_TRUE(command.wait_for_stderr("train 2/"));
  append_to_data();
  command.send(SIGTERM);
  EXPECT_THAT(command.finish().err, HasSubstr("had 3000 bytes and has 3004"));
}

TEST_F(ChangedData, ARunWithoutItsCheckpointsSaysThatItBeginsAgain) {
  train("a");
  fs::remove_all(folder() / "a/checkpoints");
  EXPECT_THAT(run("train --run a --resume").err,
              HasSubstr("warning: a has no checkpoint: training begins at step 1"));
}

}  // namespace
}  // namespace sparse_transformer
