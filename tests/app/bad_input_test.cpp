// What a user may get wrong, or a disk: one line that names it, and nothing lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::MatchesRegex;

class BadInput : public TinyRuns {
 protected:
  /// `train tiny.yaml` with this is refused, and leaves no run folder.
  void expect_not_trained(const std::string& more, const std::vector<std::string>& says) const {
    expect_refused("train tiny.yaml --run runs/x " + more, says);
    EXPECT_FALSE(exists("runs")) << more;
  }
};

TEST_F(BadInput, Configs) {
  expect_refused("train none.yaml", {"none.yaml"});
  expect_refused("train", {"no CONFIG is given"});
  write("keys.yaml", "data:\n  pathh: x\ntrainign: {steps: 3}\n");
  expect_refused("train keys.yaml", {"keys.yaml:2", "data.pathh", "keys.yaml:3", "trainign"});
  write("type.yaml", "base: tiny.yaml\nmodel:\n  width: wide\n");
  expect_refused("train type.yaml", {"type.yaml:3: model.width: got wide"});
  write("negative.yaml", "base: tiny.yaml\nmodel: {width: -16}\n");
  expect_refused("train negative.yaml", {"negative.yaml:2: model.width: got -16"});
  write("heads.yaml", "base: tiny.yaml\nmodel:\n  heads: 3\n");
  expect_refused("train heads.yaml", {"heads.yaml:3: model.heads", "16"});
}

TEST_F(BadInput, Settings) {
  expect_not_trained("--set training.steps=-1", {"--set training.steps=-1", "training.steps"});
  expect_not_trained("--set training.steps=0", {"training.steps"});
  expect_not_trained("--set training.steps", {"training.steps"});
  expect_not_trained("--set training.micro_batch=5", {"training.micro_batch", "batch of 4"});
  expect_not_trained("--set training.epochs=2",
                     {"--set training.epochs=2: training.epochs: steps are given too",
                      "--set training.steps=null"});
  expect_not_trained("--set training.learning_rate=fast", {"training.learning_rate"});
  expect_not_trained("--set data.source=byte", {"data.source", "bytes"});
  expect_not_trained("--set data.sequence=null", {"data.sequence"});
  expect_not_trained("--set model.layers=0", {"model.layers"});
}

TEST_F(BadInput, Patterns) {
  expect_not_trained("--set model.attention.layers=[lokal]", {"lokal", "local"});
  expect_not_trained("--set model.attention.layers=column", {"; write [column]"});
  expect_not_trained("--set model.attention.layers=[[local,column,row]]",
                     {"model.heads", "2 heads", "3 head groups"});
  expect_not_trained("--set model.attention.stride=0", {"model.attention.stride"});
  // A row before the first of one row: no position has a key.
  expect_not_trained("--set model.attention.stride=32 --set model.attention.layers=[previous]",
                     {"previous"});
  expect_not_trained("--set model.attention.layers=[summary] --set model.attention.summary=3",
                     {"summary"});
}

TEST_F(BadInput, Data) {
  write("empty.bin", "");
  write("short.bin", "short");
  write("not.xz",
        "\xfd"
        "7zXZ and nothing of that kind");
  write("not.safetensors", "not a safetensors file");
  fs::create_directories(folder() / "nothing");
  expect_not_trained("--set data.path=none.bin", {"--set data.path=none.bin: data.path: ",
                                                  "/none.bin: there is no such file or folder"});
  write("moved.yaml", "base: tiny.yaml\ndata:\n  path: moved.bin\n");
  expect_refused("train moved.yaml", {"moved.yaml:3: data.path: ", "/moved.bin: there is no such"});
  expect_refused("train tiny.yaml --dry-run --set data.path=[data.bin,none.bin]",
                 {"data.path: ", "/none.bin: there is no such"});
  expect_refused("prepare moved.yaml --out x", {"moved.yaml:3: data.path: "});
  expect_not_trained("--set data.split.test=none.bin",
                     {"--set data.split.test=none.bin: data.split.test: "});
  expect_not_trained("--set data.path=[]", {"data.path"});
  expect_not_trained("--set data.path=empty.bin", {"empty.bin", "empty"});
  expect_not_trained("--set data.path=nothing", {"nothing"});
  expect_not_trained("--set data.path=short.bin --set data.split.valid=1 --set data.split.test=1",
                     {"short.bin", "too few for one sequence of 32"});
  expect_not_trained("--set data.path=short.bin", {"short.bin", "data.split"});
  expect_not_trained("--set data.sequence=2600", {"data.bin", "sequence of 2600"});
  expect_not_trained("--set data.source=packed --set data.path=not.safetensors",
                     {"not.safetensors"});
  expect_not_trained("--set data.path=not.xz", {"not.xz"});
}

TEST_F(BadInput, Cifar10) {
  const std::string record(3073, '\1');
  fs::create_directories(folder() / "cifar");
  for (const char* batch : {"1", "2", "3", "4", "5"}) {
    write("cifar/data_batch_" + std::string(batch) + ".bin", record + record);
  }
  const std::string cifar =
      "--set data.source=cifar10 --set data.path=cifar --set data.sequence=null "
      "--set data.split.valid=1";
  expect_not_trained(cifar, {"test_batch.bin is missing"});
  write("cifar/test_batch.bin", record);
  write("cifar/data_batch_3.bin", record.substr(1));
  expect_not_trained(cifar, {"data_batch_3.bin: cut", "3072 bytes", "records of 3073"});
  write("cifar/data_batch_3.bin", "\12" + record.substr(1));
  expect_not_trained(cifar, {"data_batch_3.bin", "label 10"});
}

TEST_F(BadInput, CheckpointsWithAFlippedBitInAnyFile) {
  train("a");
  const fs::path checkpoint = checkpoint_of(folder() / "a", 8);
  for (const char* file : {"model.safetensors", "average.safetensors", "optimizer.safetensors",
                           "state.json", "config.yaml", "manifest.json"}) {
    const std::string whole = read_text(checkpoint / file);
    for (const double place : {0.0, 0.5, 1.0}) {
      flip_a_bit(checkpoint / file, place);
      expect_refused("evaluate a/checkpoints/step-00000008",
                     {"step-00000008: damaged checkpoint: "});
      std::ofstream(checkpoint / file, std::ios::binary) << whole;
    }
  }
  EXPECT_EQ(run("evaluate a/checkpoints/step-00000008").exit_code, 0);
}

TEST_F(BadInput, CheckpointsThatAreCut) {
  train("a");
  const fs::path checkpoint = checkpoint_of(folder() / "a", 8);
  const std::string evaluate = "evaluate a/checkpoints/step-00000008";
  fs::resize_file(checkpoint / "model.safetensors",
                  fs::file_size(checkpoint / "model.safetensors") / 2);
  expect_refused(evaluate, {"step-00000008: damaged checkpoint: model.safetensors"});
  fs::remove(checkpoint / "model.safetensors");
  expect_refused(evaluate, {"damaged checkpoint: model.safetensors is missing"});
  fs::remove(checkpoint / "manifest.json");
  expect_refused("train --run a --resume", {"step-00000008", "manifest.json", "step-00000004"});
  EXPECT_EQ(run("evaluate a/checkpoints/step-00000004").exit_code, 0);
}

TEST_F(BadInput, FoldersThatMayNotBeWritten) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  fs::create_directories(folder() / "locked");
  fs::permissions(folder() / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  expect_refused("train tiny.yaml --run locked/a", {"locked", "permission denied"});
  train("a");
  expect_refused("sample a --out locked/x.txt", {"locked/x.txt", "permission denied"});
  expect_refused("prepare tiny.yaml --out locked/x", {"locked/x", "permission denied"});
}

/// A limit on the size of files (in blocks of 512 bytes) stands for a full disk.
class FullDisk : public TinyRuns {
 protected:
  CommandResult run_limited(int blocks, const std::string& line) const {
    return sh("ulimit -f " + std::to_string(blocks) + "; exec \"$PROGRAM\" " + line);
  }
};

TEST_F(FullDisk, SavesThatFailEndTheRunAndTheLastGoodOneStands) {
  train("a");
  const CommandResult result =
      run_limited(40, "train --run a --resume --set training.steps=40 --quiet");
  EXPECT_EQ(result.exit_code, 1) << result.err;
  const std::vector<std::string> lines = lines_of(result.err);
  ASSERT_EQ(lines.size(), 2U) << result.err;
  EXPECT_THAT(lines[0], MatchesRegex("warning: step 12 was not saved: cannot write .*; earlier "
                                     "checkpoints stand; training continues"));
  EXPECT_THAT(lines[1], MatchesRegex("error: two saves in a row failed; .*"));
  EXPECT_FALSE(exists("a/checkpoints/.tmp-step-00000016"));
  EXPECT_EQ(run("evaluate a/checkpoints/latest").exit_code, 0);
  train("b", "--set training.steps=40");
  EXPECT_EQ(run("train --run a --resume").exit_code, 0);
  EXPECT_TRUE(exists("a/checkpoints/step-00000040"));
}

TEST_F(FullDisk, AFailedSaveOfTheBestKeepsTheBestBefore) {
  train("a");
  const fs::path best = folder() / "a/checkpoints/best";
  const fs::path before = fs::read_symlink(best);
  EXPECT_EQ(run_limited(40, "train --run a --resume --set training.steps=40").exit_code, 1);
  EXPECT_EQ(fs::read_symlink(best), before);
  EXPECT_EQ(run("evaluate a").exit_code, 0);
}

TEST_F(FullDisk, TheLastSaveFailsAtOnce) {
  train("a");
  const CommandResult result =
      run_limited(40, "train --run a --resume --set training.steps=9 --quiet");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err,
              MatchesRegex("error: step 9 was not saved: cannot write [^\n]*step-00000009[^\n]+"
                           "; the last checkpoint is [^\n]*step-00000008\n"));
  EXPECT_EQ(run("train --run a --resume --set training.steps=9").exit_code, 0);
}

/// A limit on the address space stands for a machine of little memory.
class LittleMemory : public TinyRuns {
 protected:
  LittleMemory() {
    train("a");
    const std::string least =
        sh("for size in $(seq 300000 100000 6000000); do (ulimit -v $size; "
           "exec \"$PROGRAM\" inspect tiny.yaml >/dev/null 2>&1) && echo $size "
           "&& break; done")
            .out;
    if (!least.empty()) limit_ = std::to_string(std::stoi(least) + 300000);
  }

  void expect_out_of_memory(const std::string& line, const std::string& advice) const {
    const CommandResult result = sh("ulimit -v " + limit_ + "; exec \"$PROGRAM\" --quiet " + line);
    EXPECT_EQ(result.exit_code, 1) << line;
    EXPECT_THAT(lines_of(result.err), testing::Contains("error: out of memory: " + advice)) << line;
  }

  std::string limit_;
};

TEST_F(LittleMemory, EachCommandAdvisesWhatHelpsThere) {
  if (limit_.empty()) GTEST_SKIP() << "the program needs more address space than can be limited";
  write("long.bin", std::string(8'000'000, 'a'));
  const std::string train_advice =
      "a smaller training.micro_batch or training.recompute: block needs less";
  const auto at_a_time = [](const std::string& sequences) {
    return " --set training.batch=" + sequences + " --set training.micro_batch=" + sequences;
  };
  expect_out_of_memory("train tiny.yaml --run b" + at_a_time("4500"), train_advice);
  EXPECT_THAT(read("b/log.txt"), testing::HasSubstr("info: out of memory\n"));
  expect_out_of_memory(
      "evaluate a --set data.path=long.bin --set data.split.test=7900000" + at_a_time("100000"),
      "fewer sequences at a time need less: --set training.micro_batch=1 is the fewest");
  expect_out_of_memory("sample a --out x.txt --count 100000 --batch 100000",
                       "a smaller --batch, --count or --length needs less");
}

TEST_F(FullDisk, OutputsAreWholeOrNotThere) {
  const auto before = contents_of(folder());
  const CommandResult result = run_limited(2, "prepare tiny.yaml --out x.safetensors --quiet");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, MatchesRegex("error: cannot write [^\n]*x.safetensors[^\n]+\n"));
  EXPECT_EQ(contents_of(folder()), before);
}

}  // namespace
}  // namespace sparse_transformer
