#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

class Resume : public TinyRuns {
 protected:
  /// Waits until this is there, a file or folder; false if that takes too long.
  template <typename Predicate>
  static bool wait_until(const Predicate& predicate) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!predicate()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  }

  /// The last step that a run has saved; -1 for none.
  int saved_step(const std::string& name) const {
    std::error_code none;
    const fs::path latest = fs::read_symlink(folder() / name / "checkpoints/latest", none);
    return none ? -1 : std::stoi(latest.string().substr(std::string("step-").size()));
  }

  bool is_saving(const std::string& name) const {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder() / name / "checkpoints", none)) {
      if (entry.path().filename().string().starts_with(".tmp-step-")) return true;
    }
    return false;
  }

  void expect_same_run(const std::string& one, const std::string& other, int step) const {
    expect_same_tensors(checkpoint_of(folder() / one, step), checkpoint_of(folder() / other, step));
    for (const char* link : {"checkpoints/best", "checkpoints/latest"}) {
      EXPECT_EQ(fs::read_symlink(folder() / one / link), fs::read_symlink(folder() / other / link));
    }
  }
};

// A long run, stopped by a signal on its way, ends like one that was left alone.
class StoppedBySignal : public Resume, public testing::WithParamInterface<int> {};

TEST_P(StoppedBySignal, TheRunGoesOnBitForBit) {
  const std::string steps = "training.steps=60";
  train("whole", "--set " + steps);
  RunningCommand command = start("train tiny.yaml --run stopped --set " + steps);
  ASSERT_TRUE(command.wait_for_stderr("train 6/60"));
  command.send(GetParam());
  const CommandResult result = command.finish();
  EXPECT_EQ(result.exit_code, 128 + GetParam()) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("train --run stopped --resume"));
  EXPECT_THAT(result.err,
              HasSubstr("stopped by SIG" + std::string(::sigabbrev_np(GetParam())) + "\n"));
  EXPECT_LT(saved_step("stopped"), 60);
  resume("stopped");
  expect_same_run("whole", "stopped", 60);
}

INSTANTIATE_TEST_SUITE_P(Signals, StoppedBySignal,
                         testing::Values(SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU),
                         [](const auto& test) { return ::sigabbrev_np(test.param); });

// One step, and then an evaluation that takes long.
TEST_F(Resume, AnEvaluationThatWasStoppedIsMadeUp) {
  const std::string more =
      "--set training.steps=1 --set training.log_every=1 --set data.split.valid=2700 "
      "--set data.split.test=0 --set training.micro_batch=1 --set model.layers=16";
  train("whole", more);
  RunningCommand command = start("train tiny.yaml --run stopped " + more);
  ASSERT_TRUE(command.wait_for_stderr("train 1/1"));
  command.send(SIGTERM);
  const CommandResult result = command.finish();
  EXPECT_EQ(result.exit_code, 143);
  EXPECT_THAT(result.err, Not(HasSubstr("validation")));
  EXPECT_EQ(saved_step("stopped"), 1);
  EXPECT_FALSE(exists("stopped/checkpoints/best"));
  resume("stopped");
  expect_same_run("whole", "stopped", 1);
  EXPECT_THAT(run("train --run stopped --resume").err, HasSubstr("is finished at step 1"));
}

TEST_F(Resume, ASecondSignalEndsAtOnce) {
  RunningCommand command = start(
      "train tiny.yaml --run a --set training.steps=2000 --set training.evaluate_every=0 "
      "--set training.checkpoint_every=2000");
  ASSERT_TRUE(command.wait_for_stderr("train 2/"));
  command.send(SIGTERM);
  command.send(SIGINT);
  const CommandResult result = command.finish();
  EXPECT_THAT(result.exit_code, testing::AnyOf(130, 143));
  EXPECT_THAT(result.err, Not(HasSubstr("stopped by")));
  EXPECT_EQ(saved_step("a"), -1);
}

// Half of the kills fall into a save, the others anywhere, the start of the program included.
TEST_F(Resume, KilledAtAnyMomentTheRunGoesOnBitForBit) {
  const int kills = std::getenv("SPARSE_TRANSFORMER_LONG_TESTS") != nullptr ? 30 : 6;
  const std::string steps = std::to_string(20 * kills);
  const std::string more = "--set training.checkpoint_every=1 --set training.steps=" + steps;
  train("whole", more);
  std::mt19937 random(1);
  const auto any_time = [&random](int most) {
    return milliseconds(std::uniform_int_distribution(0, most)(random));
  };
  int in_saves = 0;
  for (int kill = 0; kill < kills; ++kill) {
    RunningCommand command = start("train tiny.yaml --run killed --resume " + more);
    if (kill % 2 == 0) {
      const int before = saved_step("killed");
      const auto further = std::uniform_int_distribution(0, 3)(random);
      ASSERT_TRUE(wait_until(
          [&] { return saved_step("killed") >= before + further && is_saving("killed"); }));
      std::this_thread::sleep_for(any_time(3));
      in_saves += static_cast<int>(is_saving("killed"));
    } else {
      std::this_thread::sleep_for(any_time(1000));
    }
    command.send(SIGKILL);
    const CommandResult result = command.finish();
    ASSERT_EQ(result.exit_code, 137) << "kill " << kill << ": " << result.err;
  }
  RecordProperty("kills", kills);
  RecordProperty("kills_in_saves", in_saves);
  RecordProperty("last_saved_step", saved_step("killed"));
  const CommandResult result = run("train --run killed --resume");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  expect_same_run("whole", "killed", 20 * kills);
  EXPECT_FALSE(is_saving("killed"));
}

TEST_F(Resume, AFinishedRunSaysHowToExtendIt) {
  train("runs/a");
  const auto before = contents_of(folder() / "runs");
  const CommandResult result = run("train --run runs/a --resume");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err,
            "runs/a is finished at step 8; to extend it: sparse-transformer train --run runs/a "
            "--resume --set training.steps=16\n");
  EXPECT_EQ(contents_of(folder() / "runs"), before);
  resume("runs/a", "--set training.steps=16");
  EXPECT_EQ(saved_step("runs/a"), 16);
  EXPECT_THAT(read("runs/a/config.yaml"), HasSubstr("steps: 16"));
}

TEST_F(Resume, ARunOfEpochsIsExtendedByEpochs) {
  train("a", "--set training.steps=null --set training.epochs=1");
  EXPECT_THAT(run("train --run a --resume").err, HasSubstr("--set training.epochs=2"));
  const int steps = saved_step("a");
  resume("a", "--set training.epochs=2");
  EXPECT_EQ(saved_step("a"), 2 * steps);
}

TEST_F(Resume, OtherSettingsAreRefusedWithBothValues) {
  train("a");
  const auto before = contents_of(folder() / "a");
  expect_refused("train --run a --resume --set model.width=32 --set training.seed=2",
                 {"model.width is 16 in the run, 32 now", "training.seed is 1 in the run, 2 now"});
  expect_refused("train tiny.yaml --run a --resume --set training.batch=8",
                 {"training.batch is 4 in the run, 8 now"});
  EXPECT_EQ(contents_of(folder() / "a"), before);
}

// The run's own config has no checksum; that of the checkpoint has one.
TEST_F(Resume, AConfigThatWasChangedInTheRunIsRefused) {
  train("a");
  std::string config = read("a/config.yaml");
  const std::string setting = "\n  dropout: 0.1\n";
  config.replace(config.find(setting), setting.size(), "\n  dropout: 0.3\n");
  write("a/config.yaml", config);
  expect_refused("train --run a --resume --set training.steps=10",
                 {"model.dropout is 0.1 in the run, 0.3 now"});
}

// Version 0.1.0 turned pictures the other way; its config.yaml has none of the settings since.
TEST_F(Resume, ARunThatLearnedOtherFormsIsNotTrainedFurther) {
  const std::string data =
      "--set data.sequence=192 --set data.source=generated --set data.shape=[8,8,3] "
      "--set model.attention.stride=24 --set data.generated.items=500 ";
  train("now", data + "--set model.augmentation.rotation=true");
  train("untouched", data + "--set model.augmentation.colours=true");
  for (const std::string name : {"now", "untouched"}) {
    std::istringstream config(read(fs::path(name) / "config.yaml"));
    std::string of_version_0_1_0;
    for (std::string line; std::getline(config, line);) {
      const bool is_new = line.find("jigsaw:") != std::string::npos ||
                          line.find("unaugmented:") != std::string::npos ||
                          line.find("told:") != std::string::npos ||
                          line.find("moves_positions:") != std::string::npos;
      if (!is_new) of_version_0_1_0 += line + "\n";
    }
    resume(name, "--set training.steps=9");
    write(fs::path(name) / "config.yaml", of_version_0_1_0);
  }
  expect_refused("train --run now --resume --set training.steps=10", {"version 0.1.0", "rotation"});
  EXPECT_EQ(run("evaluate now").exit_code, 0);
  EXPECT_EQ(run("sample now --out x.png").exit_code, 0);
  resume("untouched", "--set training.steps=10");
}

TEST_F(Resume, SettingsThatMoveNoWeightMayChange) {
  train("a");
  fs::rename(folder() / "data.bin", folder() / "moved.bin");
  resume("a",
         "--set training.steps=10 --set training.micro_batch=4 --set training.log_every=1 "
         "--set training.evaluate_every=5 --set training.sample_every=0 --set training.keep=1 "
         "--set training.checkpoint_every=3 --set data.path=moved.bin");
  EXPECT_EQ(saved_step("a"), 10);
  resume("a", "tiny.yaml --set training.steps=11 --set data.path=moved.bin");
  EXPECT_EQ(saved_step("a"), 11);
}

TEST_F(Resume, AnotherLearningRateIsTakenRecordedAndSaid) {
  train("a");
  const std::string said =
      "training.learning_rate was 0.003 and is 0.001 now: the run goes on, but not as it would "
      "have";
  const CommandResult result =
      run("train --run a --resume --set training.steps=12 --set training.learning_rate=0.001");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("warning: " + said));
  EXPECT_THAT(read("a/log.txt"), HasSubstr(said));
  EXPECT_THAT(read("a/config.yaml"), HasSubstr("learning_rate: 0.001\n"));
  EXPECT_THAT(read("a/checkpoints/step-00000012/config.yaml"), HasSubstr("learning_rate: 0.001\n"));
  EXPECT_THAT(read("a/metrics.jsonl"),
              testing::ContainsRegex("\"step\":12[^\n]*\"learning_rate\":(0.000|0.001|[0-9.]+e-)"));
  EXPECT_THAT(run("train --run a --resume --set training.steps=13").err,
              Not(HasSubstr("training.learning_rate")));
}

TEST_F(Resume, OtherDataAreRefusedAndTheConfigStands) {
  train("a");
  write("other.bin", std::string(3000, 'x'));
  const auto before = contents_of(folder() / "a");
  expect_refused("train --run a --resume --set training.steps=10 --set data.path=other.bin",
                 {"made with other data than", "other.bin"});
  EXPECT_EQ(contents_of(folder() / "a"), before);
}

TEST_F(Resume, FiguresAreCutBackToTheCheckpoint) {
  train("a");
  const std::string whole = read("a/metrics.jsonl");
  fs::remove_all(checkpoint_of(folder() / "a", 8));
  resume("a");
  const auto steps_in = [](const std::string& text) {
    std::vector<std::string> steps;
    for (const std::string& line : lines_of(text)) steps.push_back(line.substr(0, line.find(',')));
    return steps;
  };
  EXPECT_EQ(steps_in(read("a/metrics.jsonl")), steps_in(whole));
}

TEST_F(Resume, WithoutACheckpointItBeginsAgain) {
  train("a");
  train("b");
  fs::remove_all(folder() / "a/checkpoints");
  resume("a");
  expect_same_run("a", "b", 8);
}

TEST_F(Resume, ADamagedCheckpointIsNamedAndTheOneBeforeOffered) {
  train("a");
  train("b");
  const fs::path newest = checkpoint_of(folder() / "a", 8);
  flip_a_bit(newest / "optimizer.safetensors", 0.7);
  const auto before = contents_of(folder() / "a");
  expect_refused("train --run a --resume",
                 {"step-00000008: damaged checkpoint: optimizer.safetensors",
                  "the one before it is a/checkpoints/step-00000004"});
  EXPECT_EQ(contents_of(folder() / "a"), before);
  fs::rename(newest, newest.string() + ".damaged");
  resume("a");
  expect_same_run("a", "b", 8);
}

TEST_F(Resume, ARunHasOneWriter) {
  RunningCommand first = start("train tiny.yaml --run a --set training.steps=100000");
  ASSERT_TRUE(first.wait_for_stderr("train 4/"));
  const std::string says = " trains in this folder; wait for its end";
  expect_refused("train --run a --resume", {"a: process ", says});
  expect_refused("train tiny.yaml --run a", {"a: process ", says});
  EXPECT_EQ(run("train --run a --resume --dry-run").exit_code, 0);
  EXPECT_EQ(run("sample a --out s.bin").exit_code, 0);
  EXPECT_EQ(run("report a --out r.html").exit_code, 0);
  first.send(SIGKILL);
  first.finish();
  resume("a", "--set training.steps=10");  // the lock of a dead process is no lock
}

TEST_F(Resume, OfStartsAtOnceOneHasTheRun) {
  for (int round = 0; round < 3; ++round) {
    const std::string line = "train tiny.yaml --run runs/" + std::to_string(round);
    std::vector<std::unique_ptr<RunningCommand>> commands;
    for (int i = 0; i < 3; ++i) {
      commands.emplace_back(new RunningCommand(start(line)));
    }
    std::vector<int> codes;
    for (const auto& command : commands) codes.push_back(command->finish().exit_code);
    EXPECT_THAT(codes, testing::UnorderedElementsAre(0, 2, 2));
  }
}

TEST_F(Resume, AMistakeLeavesNoFolder) {
  expect_refused("train tiny.yaml --run runs/a --set data.path=none", {"none"});
  expect_refused("train tiny.yaml --run runs/a --set training.batch=0", {"training.batch"});
  EXPECT_FALSE(exists("runs"));
}

TEST_F(Resume, WithoutItsConfigARunHasThatOfItsNewestCheckpoint) {
  train("a");
  train("b");
  fs::remove(folder() / "a/config.yaml");
  fs::remove_all(checkpoint_of(folder() / "a", 8));
  EXPECT_EQ(run("report a --out r.html").exit_code, 0);
  EXPECT_EQ(run("config a").exit_code, 0);
  expect_refused("train tiny.yaml --run a", {"a holds a run already"});
  resume("a");
  EXPECT_TRUE(exists("a/config.yaml"));
  expect_same_run("a", "b", 8);
}

TEST_F(Resume, WhatKilledProcessesLeftIsRemoved) {
  train("a");
  const std::string dead = "-999999999";
  write("a/.tmp-config.yaml" + dead, "");
  write("a/.tmp-sparse-transformer-0" + dead, "");
  write("a/samples/.tmp-step-00000004.png" + dead, "");
  EXPECT_EQ(run("train --run a --resume").exit_code, 0);  // a finished run
  const auto files = contents_of(folder() / "a");
  EXPECT_THAT(files, testing::Each(Not(HasSubstr(".tmp-"))));
}

// As after a kill between the name of the last checkpoint and the links.
TEST_F(Resume, LinksOfAFinishedRunAreMended) {
  train("a");
  const fs::path best = folder() / "a/checkpoints/best";
  const fs::path latest = folder() / "a/checkpoints/latest";
  const fs::path target = fs::read_symlink(best);
  for (const fs::path& link : {best, latest}) {
    fs::remove(link);
    fs::create_symlink("step-00000004", link);
  }
  EXPECT_EQ(run("train --run a --resume").exit_code, 0);
  EXPECT_EQ(fs::read_symlink(best), target);
  EXPECT_EQ(fs::read_symlink(latest), "step-00000008");
}

// The sums since the last line are in the checkpoint.
TEST_F(Resume, FiguresAreOverTheSameStepsAsWithoutTheStop) {
  const std::string more = "--set training.log_every=3 --set training.sample_every=0 ";
  train("whole", more + "--set training.steps=6");
  train("parts", more + "--set training.steps=6 --set training.keep=5");
  fs::remove_all(checkpoint_of(folder() / "parts", 6));
  resume("parts");
  const auto bits = [](const std::string& text) {
    std::vector<std::string> figures;
    for (const std::string& line : lines_of(text)) {
      figures.push_back(line.substr(0, line.find(",\"tokens_per_second")));
    }
    return figures;
  };
  EXPECT_EQ(bits(read("parts/metrics.jsonl")), bits(read("whole/metrics.jsonl")));
}

// A kill between a checkpoint's own name and the link to it leaves the link behind.
TEST_F(Resume, LinksThatLagBehindAreMended) {
  train("a", "--set training.steps=12");
  const fs::path best = folder() / "a/checkpoints/best";
  const fs::path target = fs::read_symlink(best);
  fs::remove(best);
  fs::create_symlink("step-00000004", best);
  fs::create_directories(folder() / "a/checkpoints/.tmp-step-00000013");
  resume("a", "--set training.steps=16 --set training.evaluate_every=0 --set training.keep=1");
  EXPECT_EQ(fs::read_symlink(best), target);
  EXPECT_TRUE(fs::exists(best / "manifest.json"));
  EXPECT_FALSE(is_saving("a"));
}

TEST_F(Resume, GoesOnFromACheckpointThatWasMovedToAnotherDisk) {
  train("a", "--set training.keep=1 --set training.evaluate_every=0");
  ASSERT_EQ(sh("mv a/checkpoints/step-00000008 away; "
               "ln -s \"$PWD/away\" a/checkpoints/step-00000008")
                .exit_code,
            0);
  const auto before = contents_of(folder() / "away");
  EXPECT_THAT(run("evaluate a --json").out, HasSubstr("step-00000008"));
  const CommandResult result = run("train --run a --resume --set training.steps=12");
  EXPECT_THAT(result.err, HasSubstr("going on from a/checkpoints/step-00000008"));
  EXPECT_FALSE(exists("a/checkpoints/step-00000008"));  // only the newest is kept
  EXPECT_EQ(contents_of(folder() / "away"), before);
}

TEST_F(Resume, NeedsARun) {
  expect_refused("train --resume", {"there is no runs/latest"});
  expect_refused("train --run none --resume", {"none: there is no run to resume"});
  expect_refused("train --run none --resume --dry-run", {"none: there is no run to resume"});
}

}  // namespace
}  // namespace sparse_transformer
