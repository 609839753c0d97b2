// The program as a user runs it with device: cuda, its kernels on the interpreter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ProgramOnCuda : public TinyRuns {
 protected:
  /// Settings to add to tiny.yaml.
  ProgramOnCuda() {
    write("model.yaml",
          "data: {sequence: 64}\n"
          "model: {width: 64, attention: {layers: [fixed, local+column], summary: 4}}\n");
    write("cuda.yaml", "training: {device: cuda}\n");
    write("own.yaml", "training: {kernel_choice: [row+summary=own, local+column=own]}\n");
  }

  /// Of the loss, in bits, where the metrics have it.
  std::vector<double> losses_of(const std::string& name) const {
    std::istringstream lines(read(name + "/metrics.jsonl"));
    std::vector<double> losses;
    for (std::string line; std::getline(lines, line);) {
      const auto metrics = nlohmann::json::parse(line);
      if (metrics.contains("train_bits")) losses.push_back(metrics["train_bits"]);
    }
    return losses;
  }

  /// Bits a byte.
  double test_bits(const std::string& command) const {
    const CommandResult result = run(command);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return std::stod(result.out);
  }
};

TEST_F(ProgramOnCuda, EveryKernelIsRightAndTheFastestAreChosen) {
  const CommandResult result =
      run("train tiny.yaml model.yaml cuda.yaml --run chosen -v --set training.steps=2 "
          "--set training.precision=bf16");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* name : {"layer norm", "dropout", "the residual sum", "GELU",
                           "the choice of a token", "the attention of one token", "Adam"}) {
    EXPECT_THAT(result.err, HasSubstr(std::string(name) + ": right on this device"));
  }
  for (const char* part : {"attention of row+summary", "attention of local+column"}) {
    EXPECT_THAT(result.err, HasSubstr(std::string(part) + ": "));
  }
  EXPECT_THAT(result.err, Not(HasSubstr("fails its check")));
}

TEST_F(ProgramOnCuda, LearnsWhatTheProcessorLearns) {
  train("cpu", "model.yaml");
  const auto right = losses_of("cpu");
  for (const std::string precision : {"fp32", "bf16", "fp16"}) {
    SCOPED_TRACE(precision);
    train(precision, "model.yaml cuda.yaml " + std::string(precision == "fp32" ? "" : "own.yaml") +
                         " --set training.precision=" + precision);
    const auto losses = losses_of(precision);
    ASSERT_EQ(losses.size(), right.size());
    for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_NEAR(losses[i], right[i], 0.01) << i;
    EXPECT_NEAR(test_bits("evaluate " + precision),
                test_bits("evaluate " + precision + " --set training.device=cpu"), 0.01);
  }
}

TEST_F(ProgramOnCuda, StoppedItGoesOnBitForBit) {
  const std::string more =
      " model.yaml cuda.yaml own.yaml --set training.steps=16 --set training.precision=bf16";
  train("whole", more);
  RunningCommand command = start("train tiny.yaml --run stopped" + more);
  ASSERT_TRUE(command.wait_for_stderr("train 6/16"));
  command.send(SIGTERM);
  EXPECT_EQ(command.finish().exit_code, 143);
  resume("stopped");
  expect_same_tensors(checkpoint_of(folder() / "whole", 16),
                      checkpoint_of(folder() / "stopped", 16));
}

TEST_F(ProgramOnCuda, DrawsTheTokensOfTheProcessor) {
  train("run", "model.yaml cuda.yaml");
  const auto text = [&](const std::string& device) {
    const CommandResult result =
        run("sample run --count 2 --out text.bin --overwrite "
            "--set training.device=" +
            device);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return read("text.bin");
  };
  EXPECT_EQ(text("cuda"), text("cpu"));
}

}  // namespace
}  // namespace sparse_transformer
