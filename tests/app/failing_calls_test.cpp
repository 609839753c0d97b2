// What the program does where the system refuses a call: a broken disk, a file system that cannot
// do everything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// A call that the program made.
struct Call {
  std::string kind, path, detail;
};

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> parts(1);
  for (const char c : line) {
    if (c == '\t') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

class FailingCalls : public TinyRuns {
 protected:
  void SetUp() override {
#ifndef SPARSE_TRANSFORMER_FAIL_CALLS
    GTEST_SKIP() << "a sanitizer's library would have to come before the one that fails calls";
#endif
  }

  /// Runs the program while calls fail by these rules (tests/torture/fail_calls.cpp).
  CommandResult run_failing(const std::string& rules, const std::string& line) const {
#ifdef SPARSE_TRANSFORMER_FAIL_CALLS
    const std::string library = SPARSE_TRANSFORMER_FAIL_CALLS;
#else
    const std::string library;
#endif
    return sh("LD_PRELOAD='" + library + "' FAIL_CALLS_ROOT='" + folder().string() +
              "' FAIL_CALLS_LOG=calls FAIL_CALLS_RULES='" + rules + "' \"$PROGRAM\" " + line);
  }

  /// What run_failing() has called so far.
  std::vector<Call> calls() const {
    std::vector<Call> calls;
    for (const std::string& line : lines_of(read("calls"))) {
      const std::vector<std::string> parts = split(line);
      calls.push_back({.kind = parts[1], .path = parts[2], .detail = parts[3]});
    }
    return calls;
  }

  /// The names of a run's checkpoints.
  std::vector<std::string> checkpoints(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder() / name / "checkpoints")) {
      if (!entry.is_symlink()) names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

std::string error_rule(const std::string& calls, int error) {
  return calls + " 1 0 error:" + std::to_string(error);
}

constexpr const char* kPlain = " --set training.sample_every=0 --set training.evaluate_every=0";

TEST_F(FailingCalls, ANewFolderIsFlushedIntoTheOneAbove) {
  ASSERT_EQ(run_failing("", "train tiny.yaml --run runs/deep/a").exit_code, 0);
  std::vector<std::string> made;
  const std::vector<Call> all = calls();
  for (auto call = all.begin(); call != all.end(); ++call) {
    if (call->kind != "mkdir" || call->path.find(".tmp-") != std::string::npos) continue;
    const std::string above = fs::path(call->path).parent_path();
    made.push_back(fs::path(call->path).filename());
    EXPECT_TRUE(std::any_of(call, all.end(), [&](const Call& later) {
      return later.kind == "fsync" && fs::path(later.path) == above;
    })) << call->path;
  }
  EXPECT_THAT(made, ElementsAre("runs", "deep", "a", "samples", "checkpoints"));
}

TEST_F(FailingCalls, NothingIsDroppedForACheckpointThatIsNotFlushed) {
  const std::string train =
      std::string(kPlain) + " --set training.checkpoint_every=2 --set training.keep=1 --run ";
  ASSERT_EQ(run_failing("", "train tiny.yaml" + train + "a").exit_code, 0);
  EXPECT_THAT(checkpoints("a"), ElementsAre("step-00000008"));
  std::string rules;
  int flushes = 0;
  bool is_named = false;
  for (const Call& call : calls()) {
    if (call.kind == "rename" && fs::path(call.detail).filename().string().starts_with("step-")) {
      is_named = true;
    }
    if (call.kind != "fsync" || call.path.find("/checkpoints") == std::string::npos) continue;
    ++flushes;
    if (!is_named) continue;
    rules += "fsync /checkpoints " + std::to_string(flushes) + " 1 error:5\n";
    --flushes;  // the other rules do not count this call
    is_named = false;
  }
  const CommandResult result = run_failing(rules, "train tiny.yaml" + train + "b");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err,
              HasSubstr("b/checkpoints: Input/output error; the checkpoints are saved"));
  EXPECT_THAT(checkpoints("b"),
              ElementsAre("step-00000002", "step-00000004", "step-00000006", "step-00000008"));
}

TEST_F(FailingCalls, AFinishedRunKeepsNoMoreThanItShould) {
  const std::string rule = "rename checkpoints/step- 1 1 kill-before";  // the last save drops
  const std::string line = std::string("train tiny.yaml --run a --set training.keep=1") + kPlain;
  ASSERT_EQ(run_failing(rule, line).exit_code, 137);
  ASSERT_THAT(checkpoints("a"), ElementsAre("step-00000004", "step-00000008"));
  const CommandResult result = run("train --run a --resume");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("is finished"));
  EXPECT_THAT(checkpoints("a"), ElementsAre("step-00000008"));
}

TEST_F(FailingCalls, ADiskThatCannotBeReadIsNotADamagedCheckpoint) {
  train("a", kPlain);
  const std::vector<std::string> commands = {"evaluate a", "sample a --out s.txt",
                                             "attention a --out a.png", "train --run a --resume"};
  for (const std::string& command : commands) {
    for (const char* kind : {"open", "map"}) {
      const CommandResult result =
          run_failing(error_rule(std::string(kind) + " step-00000008/state.json", EIO), command);
      EXPECT_EQ(result.exit_code, 1) << command << ": " << result.err;
      EXPECT_THAT(result.err, HasSubstr("step-00000008/state.json: Input/output error"));
    }
  }
  fs::resize_file(checkpoint_of(folder() / "a", 8) / "state.json", 10);
  for (const std::string& command : commands) expect_refused(command, {"damaged checkpoint"});
}

TEST_F(FailingCalls, ACheckpointWithoutANameStaysWhereItCannotBeRead) {
  train("a", kPlain);
  const fs::path named = checkpoint_of(folder() / "a", 8);
  fs::rename(named, folder() / "a/checkpoints/.tmp-step-00000008");
  const CommandResult result = run_failing(error_rule("open .tmp-step-00000008/state.json", EIO),
                                           "train --run a --resume --set training.steps=4");
  EXPECT_THAT(result.err, HasSubstr("state.json: Input/output error"));
  EXPECT_TRUE(exists("a/checkpoints/.tmp-step-00000008/manifest.json"));
  resume("a");
  EXPECT_TRUE(fs::exists(named / "manifest.json"));
}

TEST_F(FailingCalls, FilesAreReadWhereTheyCannotBeMapped) {
  const std::string rule = error_rule("map -", ENODEV);
  const auto expect_success = [&](const std::string& line) {
    const CommandResult result = run_failing(rule, line);
    EXPECT_EQ(result.exit_code, 0) << line << ": " << result.err;
    return result.out;
  };
  expect_success("train tiny.yaml --run a --set training.steps=4");
  EXPECT_EQ(expect_success("evaluate a"), run("evaluate a").out);
  expect_success("train --run a --resume --set training.steps=8");
  expect_success("sample a --out s.txt");
  expect_success("prepare tiny.yaml --out p.safetensors");
  ASSERT_EQ(sh("gzip -k data.bin").exit_code, 0);
  expect_success("prepare tiny.yaml --set data.path=data.bin.gz --out q.safetensors");
  EXPECT_THAT(run_failing(error_rule("map data.bin", ENOMEM), "evaluate a").err,
              HasSubstr("data.bin: Cannot allocate memory"));
}

TEST_F(FailingCalls, AFileSystemThatCannotFlushIsToldOnce) {
  int number = 0;
  for (const int error : {EINVAL, EOPNOTSUPP, ENOSYS}) {
    const std::string name = "a" + std::to_string(++number);
    const CommandResult result =
        run_failing(error_rule("fsync -", error), "train tiny.yaml --run " + name);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const std::string says = "this file system cannot flush files";
    EXPECT_THAT(result.err, HasSubstr("warning: " + name + ": " + says));
    EXPECT_EQ(result.err.find(says), result.err.rfind(says));
    EXPECT_EQ(
        run_failing(error_rule("fsync -", error), "prepare tiny.yaml --out p" + name).exit_code, 0);
  }
  EXPECT_EQ(run_failing(error_rule("fsync -", EIO), "train tiny.yaml --run b").exit_code, 1);
  EXPECT_FALSE(exists("b"));
}

TEST_F(FailingCalls, OnlyAFileSystemWithoutLocksIsTrainedOnWithoutOne) {
  int number = 0;
  const auto train_with = [&](const std::string& rule) {
    return run_failing(rule,
                       "train tiny.yaml --set training.steps=1 --run a" + std::to_string(++number));
  };
  for (const int error : {ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL}) {
    const CommandResult result = train_with(error_rule("flock lock", error));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("this file system has no locks"));
  }
  for (const int error : {EIO, EACCES, EBADF}) {
    const CommandResult result = train_with(error_rule("flock lock", error));
    EXPECT_EQ(result.exit_code, error == EACCES ? 2 : 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr("cannot lock a" + std::to_string(number) + "/lock: "));
    EXPECT_FALSE(exists("a" + std::to_string(number)));
  }
  const CommandResult interrupted = train_with("flock lock 1 1 error:" + std::to_string(EINTR));
  EXPECT_EQ(interrupted.exit_code, 0);
  EXPECT_THAT(interrupted.err, Not(HasSubstr("no locks")));
}

TEST_F(FailingCalls, AFailedClaimLeavesNothing) {
  for (const char* calls :
       {"write lock", "truncate lock", "create lock", "mkdir zz/y", "fsync zz", "flock lock"}) {
    const CommandResult result = run_failing(error_rule(calls, EIO), "train tiny.yaml --run zz/y");
    EXPECT_EQ(result.exit_code, 1) << calls << ": " << result.err;
    EXPECT_FALSE(exists("zz")) << calls;
  }
  fs::create_directory(folder() / "zz");
  write("zz/y/lock", "");
  EXPECT_EQ(run_failing(error_rule("write lock", ENOSPC), "train tiny.yaml --run zz/y").exit_code,
            1);
  EXPECT_TRUE(exists("zz/y/lock"));  // it was there before
}

}  // namespace
}  // namespace sparse_transformer
