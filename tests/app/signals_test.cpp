// How the program begins and ends beside what it computes: signals and the standard streams.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <thread>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Signals : public TinyRuns {};

// nohup ignores SIGHUP so that training outlives its terminal.
TEST_F(Signals, AnIgnoredSignalDoesNotStopTraining) {
  RunningCommand command(shell("trap '' HUP USR1; exec \"$PROGRAM\" train tiny.yaml --run a "
                               "--set training.steps=100000 --set training.sample_every=0"),
                         options());
  ASSERT_TRUE(command.wait_for_stderr("train 2/"));
  command.send(SIGHUP);
  command.send(SIGUSR1);
  ASSERT_TRUE(command.wait_for_stderr("train 20/"));
  command.send(SIGTERM);
  const CommandResult result = command.finish();
  EXPECT_EQ(result.exit_code, 143) << result.err;
  EXPECT_THAT(result.err, HasSubstr("stopped by SIGTERM"));
}

struct ConfigFromAPipe {
  const char* name;
  const char* line;
  bool has_writer;  // the pipe can be opened, but gives nothing
};

class WaitsForItsConfig : public Signals, public testing::WithParamInterface<ConfigFromAPipe> {};

TEST_P(WaitsForItsConfig, EndsAtTheFirstSignal) {
  const fs::path pipe = folder() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int writer = GetParam().has_writer ? ::open(pipe.c_str(), O_RDWR | O_CLOEXEC) : -1;
  CommandOptions patience = options();
  patience.timeout = std::chrono::seconds(2);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU}) {
    RunningCommand command(shell("exec \"$PROGRAM\" " + std::string(GetParam().line)), patience);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // until it waits
    command.send(signal);
    EXPECT_EQ(command.finish().exit_code, 128 + signal);
  }
  if (writer >= 0) ::close(writer);
  EXPECT_FALSE(exists("a"));
}

INSTANTIATE_TEST_SUITE_P(
    Commands, WaitsForItsConfig,
    testing::Values(ConfigFromAPipe{"train", "train pipe --run a", false},
                    ConfigFromAPipe{"train_stdin", "train /dev/stdin --run a < pipe", true},
                    ConfigFromAPipe{"train_two", "train tiny.yaml pipe --run a", true},
                    ConfigFromAPipe{"prepare", "prepare pipe --out a", true},
                    ConfigFromAPipe{"benchmark", "benchmark pipe", false}),
    [](const auto& test) { return test.param.name; });

TEST_F(Signals, HelpListsTheExitCodes) {
  const std::string help = run("--help").out;
  for (const char* code :
       {"129 SIGHUP", "130 SIGINT", "138 SIGUSR1", "140 SIGUSR2", "143 SIGTERM", "152 SIGXCPU"}) {
    EXPECT_THAT(help, HasSubstr(code));
  }
}

// A file with a hole: 256 GiB of zeros that take no room on the disk, and a minute to hash.
struct LongCommand {
  const char* line;
  std::uintmax_t bytes;  // of the data, a hole; prepare refuses more than its disk can take
  const char* total;     // as the progress shows it
};

class LongData : public Signals, public testing::WithParamInterface<LongCommand> {
 protected:
  LongData() { fs::resize_file(folder() / "data.bin", GetParam().bytes); }
};

TEST_P(LongData, StopsAtOnceAndLeavesNothing) {
  RunningCommand command = start("--progress lines " + std::string(GetParam().line));
  ASSERT_TRUE(command.wait_for_stderr(GetParam().total));
  const auto sent = std::chrono::steady_clock::now();
  command.send(SIGINT);
  const CommandResult result = command.finish();
  EXPECT_LT(std::chrono::steady_clock::now() - sent, std::chrono::seconds(3));
  EXPECT_EQ(result.exit_code, 130) << result.err;
  const fs::directory_iterator left(folder());
  EXPECT_EQ(std::distance(fs::begin(left), fs::end(left)), 2);  // the config and the data
}

INSTANTIATE_TEST_SUITE_P(Commands, LongData,
                         testing::Values(LongCommand{"train tiny.yaml --run a",
                                                     std::uintmax_t{1} << 38, "/274,877,906,944 "},
                                         LongCommand{"prepare tiny.yaml --out b.safetensors",
                                                     std::uintmax_t{1} << 33, "/8,589,934,592 "}),
                         [](const auto& test) {
                           const std::string line = test.param.line;
                           return line.substr(0, line.find(' '));
                         });

class ClosedStreams : public TinyRuns {};

// The packed file would get the number of stderr, and the progress would be written into it.
TEST_F(ClosedStreams, ThePackedFileIsTheSame) {
  for (const std::string closed : {"2>&-", "0<&- 2>&-", "0<&-"}) {
    ASSERT_EQ(run("prepare tiny.yaml --out a --overwrite").exit_code, 0);
    ASSERT_EQ(run("prepare tiny.yaml --out b --overwrite --progress bar " + closed).exit_code, 0);
    EXPECT_EQ(read("a"), read("b")) << closed;
  }
}

TEST_F(ClosedStreams, TrainingWritesEachLineOnce) {
  EXPECT_EQ(run("train tiny.yaml --run a 0<&- 1>&- 2>&-").exit_code, 0);
  const std::string log = read("a/log.txt");
  EXPECT_EQ(log.find("train 8/8"), log.rfind("train 8/8")) << log;
  EXPECT_THAT(log, HasSubstr("train 8/8"));
  EXPECT_EQ(run("sample a --out s.txt 0<&- 1>&- 2>&-").exit_code, 0);
}

TEST_F(ClosedStreams, AResultThatNobodyGetsIsAFailure) {
  const CommandResult result = run("config tiny.yaml >&-");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("standard output: cannot write"));
}

}  // namespace
}  // namespace sparse_transformer
