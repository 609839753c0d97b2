// Runs in half precision, and what they do when a loss is not finite.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class PrecisionRuns : public TinyRuns {
 protected:
  Json state(const std::string& name, int step) const {
    return Json::parse(read_text(checkpoint_of(folder() / name, step) / "state.json"));
  }
  Json last_figures(const std::string& name) const {
    Json last;
    for (const std::string& line : lines_of(read(name + "/metrics.jsonl"))) {
      if (line.find("tokens_per_second") != std::string::npos) last = Json::parse(line);
    }
    return last;
  }

  /// Resumes a run, stops it by a signal once stderr says so, and resumes it again.
  void resume_with_a_stop(const std::string& line, const std::string& name,
                          const std::string& text) const {
    RunningCommand command = start(line);
    ASSERT_TRUE(command.wait_for_stderr(text));
    command.send(SIGTERM);
    EXPECT_EQ(command.finish().exit_code, 143);
    resume(name);
  }

  void expect_same_end(const std::string& one, const std::string& other, int step) const {
    expect_same_tensors(checkpoint_of(folder() / one, step), checkpoint_of(folder() / other, step));
    EXPECT_EQ(state(one, step), state(other, step));
  }
};

class Stopped : public PrecisionRuns, public testing::WithParamInterface<const char*> {};

// With dropout, averaged weights, accumulation, augmentation and the loss scale.
TEST_P(Stopped, TheRunGoesOnBitForBit) {
  const std::string more =
      "--set training.precision=" + std::string(GetParam()) +
      " --set training.recompute=block --set model.augmentation.reversal=true" +
      " --set training.steps=40";
  train("whole", more);
  resume_with_a_stop("train tiny.yaml --run stopped " + more, "stopped", "train 6/40");
  expect_same_end("whole", "stopped", 40);
}

INSTANTIATE_TEST_SUITE_P(Precisions, Stopped, testing::Values("fp32", "bf16", "fp16"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(PrecisionRuns, Fp16ReportsAndKeepsItsLossScale) {
  train("a", "--set training.precision=fp16");
  const double scale = state("a", 8).at("loss_scale").get<double>();
  EXPECT_NEAR(scale, 65536 * 1.0003466337 * 1.0003466337, 200);
  EXPECT_NEAR(last_figures("a").at("loss_scale").get<double>(), scale, 30);
  EXPECT_EQ(last_figures("a").at("skipped_steps").get<double>(), 0.0);
  EXPECT_EQ(run("evaluate a").exit_code, 0);
  EXPECT_EQ(run("sample a --out a.txt").exit_code, 0);
  train("b");
  EXPECT_FALSE(last_figures("b").contains("loss_scale"));
}

TEST_F(PrecisionRuns, AnotherWayToComputeMayBeTakenOnResume) {
  train("a");
  for (const char* name : {"block", "micro", "half"}) {
    fs::copy(folder() / "a", folder() / name,
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
    fs::remove_all(checkpoint_of(folder() / name, 8));
  }
  resume("block", "--set training.recompute=block");
  for (const char* file : {"model.safetensors", "average.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(tensor_bytes(checkpoint_of(folder() / "a", 8) / file),
              tensor_bytes(checkpoint_of(folder() / "block", 8) / file));
  }
  resume("micro", "--set training.micro_batch=4");
  const auto bits = [&](const std::string& name) {
    return state(name, 8)["best_bits"].get<double>();
  };
  EXPECT_NEAR(bits("micro"), bits("a"), 1e-5);
  const CommandResult result = run("train --run half --resume --set training.precision=bf16");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("warning: training.precision was fp32 and is bf16 now"));
  EXPECT_NEAR(bits("half"), bits("a"), 0.01);
}

/// A run whose step 4 knows a byte that stands once in the data, and whose embedding is not a
/// number.
class NonFinite : public PrecisionRuns {
 protected:
  static constexpr const char* kMore =
      "--set training.steps=40 --set training.log_every=1 --set training.keep=99 ";

  NonFinite() {
    std::string text = read("data.bin");
    text[1000] = 'Z';
    write("data.bin", text);
  }

  void train_and_poison(const std::string& name, char byte) const {
    train(name, kMore);
    for (int step = 8; step <= 40; step += 4) fs::remove_all(checkpoint_of(folder() / name, step));
    poison(checkpoint_of(folder() / name, 4), byte);
  }

  /// Writes NaN for a byte's embedding into a checkpoint, and its new checksum into the manifest.
  void poison(const fs::path& checkpoint, char byte) const {
    const fs::path file = checkpoint / "model.safetensors";
    std::string content = read_text(file);
    std::uint64_t header = 0;
    std::memcpy(&header, content.data(), sizeof(header));
    const Json tensor = Json::parse(content.substr(8, header)).at("embedding.token.weight");
    const std::size_t row = tensor.at("shape")[1].get<std::size_t>() * sizeof(float);
    const std::size_t place = 8 + header + tensor.at("data_offsets")[0].get<std::size_t>() +
                              static_cast<unsigned char>(byte) * row;
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(&content[place], &nan, sizeof(nan));
    std::ofstream(file, std::ios::binary) << content;
    const std::string sum = sh("sha256sum " + file.string()).out.substr(0, 64);
    Json manifest = Json::parse(read_text(checkpoint / "manifest.json"));
    manifest["sha256"]["model.safetensors"] = sum;
    std::ofstream(checkpoint / "manifest.json") << manifest.dump();
  }
};

TEST_F(NonFinite, StopEndsInOneLineAndTheCheckpointStands) {
  train_and_poison("a", 'Z');
  // No checkpoint right before step 17, which meets the byte.
  const CommandResult result =
      run("train --run a --resume --quiet --set training.checkpoint_every=5 "
          "--set training.evaluate_every=0");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, testing::MatchesRegex("error: step [0-9]+: the loss is not finite; "
                                                "training stops[^\n]+\n"));
  EXPECT_TRUE(exists("a/checkpoints/latest/manifest.json"));
  EXPECT_FALSE(fs::exists(checkpoint_of(folder() / "a", 40)));
  EXPECT_THAT(read("a/log.txt"), HasSubstr("the loss is not finite"));
  EXPECT_THAT(result.err, AllOf(HasSubstr("and a/checkpoints/step-"), HasSubstr(" stands: ")));
  EXPECT_THAT(read("a/log.txt"), HasSubstr(result.err.substr(sizeof("error: ") - 1)));
  // What it advises can be done.
  const std::size_t begin = result.err.find(" train --run");
  const std::string command = result.err.substr(begin, result.err.find('`', begin) - begin);
  EXPECT_EQ(command, " train --run a --resume --set training.learning_rate=0.0015");
  EXPECT_THAT(run(command).err, HasSubstr("training.learning_rate was 0.003 and is 0.0015 now"));
  EXPECT_THAT(result.err, HasSubstr("--set training.non_finite=rollback"));
}

TEST_F(NonFinite, StopBeforeTheFirstCheckpointClaimsNone) {
  const CommandResult result =
      run("train tiny.yaml --run a --quiet --set training.learning_rate=1e30 "
          "--set training.warmup=0 --set training.evaluate_every=0");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("training stops, and no checkpoint is saved yet: "),
                                testing::Not(HasSubstr("stands"))));
  const CommandResult lower = run("train --run a --resume --set training.learning_rate=0.003");
  EXPECT_EQ(lower.exit_code, 0) << lower.err;
}

TEST_F(NonFinite, SkipGoesOnCountsAndSurvivesAStop) {
  train_and_poison("a", 'Z');
  fs::copy(folder() / "a", folder() / "b",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  const std::string skip = " --resume --set training.non_finite=skip";
  const CommandResult result = run("train --run a" + skip);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the loss is not finite; it is skipped (1 so far)"));
  EXPECT_GE(last_figures("a").at("skipped_steps").get<double>(), 1.0);
  EXPECT_EQ(state("a", 40).at("skipped_steps"), last_figures("a").at("skipped_steps"));
  resume_with_a_stop("train --run b" + skip, "b", "it is skipped (1 so far)");
  expect_same_end("a", "b", 40);
}

TEST_F(NonFinite, RollbackPassesOverTheSequencesAndSurvivesAStop) {
  train_and_poison("a", 'Z');
  fs::copy(folder() / "a", folder() / "b",
           fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  const std::string back = " --resume --set training.non_finite=rollback";
  const CommandResult result = run("train --run a" + back);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("the loss is not finite: back to step "),
                                HasSubstr("sequences are passed over")));
  EXPECT_GT(state("a", 40).at("passed_over").get<int>(), 0);
  EXPECT_EQ(state("a", 40).at("skipped_steps").get<int>(), 0);
  int before = 0;  // the lines of the steps that were gone back over are gone
  for (const std::string& line : lines_of(read("a/metrics.jsonl"))) {
    const int step = Json::parse(line).at("step").get<int>();
    EXPECT_GE(step, before);
    before = step;
  }
  // From any of its checkpoints it goes on over the same data.
  fs::remove_all(checkpoint_of(folder() / "a", 40));
  resume("a");
  RunningCommand command = start("train --run b" + back);
  ASSERT_TRUE(command.wait_for_stderr("sequences are passed over"));
  command.send(SIGKILL);
  command.finish();
  resume("b");
  expect_same_end("a", "b", 40);
}

TEST_F(NonFinite, RollbackEndsWhereItDoesNotHelp) {
  train_and_poison("a", ' ');
  const CommandResult result = run("train --run a --resume --set training.non_finite=rollback");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("after going back to step 4 3 times already; training stops"));
  EXPECT_TRUE(fs::exists(checkpoint_of(folder() / "a", 4)));
}

// Of a rate that ruins the weights before a loss shows it.
TEST_F(NonFinite, TheAdviceCanBeFollowed) {
  const std::string wild =
      "--set training.learning_rate=1e6 --set training.warmup=0 --set training.evaluate_every=0 "
      "--set training.checkpoint_every=1 --set training.keep=9 --set training.non_finite=";
  for (const std::string policy : {"stop", "rollback"}) {
    const CommandResult result = run("train tiny.yaml --run " + policy + " " + wild + policy);
    ASSERT_EQ(result.exit_code, 1);
    const std::size_t begin = result.err.find('`') + 1;
    std::string advised = result.err.substr(begin, result.err.find('`', begin) - begin);
    const std::string name = "sparse-transformer";
    advised.replace(advised.find(name), name.size(), "\"$PROGRAM\"");
    const CommandResult followed = sh(advised);
    EXPECT_EQ(followed.exit_code, 0) << result.err << followed.err;
  }
}

TEST_F(NonFinite, RollbackWithoutACheckpointGoesBackToTheBeginning) {
  const CommandResult result =
      run("train tiny.yaml --run a --set training.non_finite=rollback "
          "--set training.learning_rate=1e30 --set training.warmup=0");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("back to step 0"));
  EXPECT_TRUE(fs::exists(checkpoint_of(folder() / "a", 0)));
}

}  // namespace
}  // namespace sparse_transformer
