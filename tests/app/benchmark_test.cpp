#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;

class Benchmark : public TinyRuns {
 protected:
  Benchmark() { std::filesystem::remove(folder() / "data.bin"); }  // no data are opened
};

TEST_F(Benchmark, PrintsATableForPeople) {
  const CommandResult result = run("benchmark tiny.yaml --steps 2 --rounds 2 --progress none");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_THAT(lines[0],
              HasSubstr("1 thread; 4 x 32 tokens a step; medians of 2 rounds of 2 steps"));
  EXPECT_THAT(lines[2], testing::MatchesRegex("local, column +[0-9.]+ +.+%"));
  EXPECT_THAT(lines[3], testing::MatchesRegex("dense +[0-9.]+ +.+%"));
  EXPECT_THAT(lines[5], testing::MatchesRegex("Sparse over dense: [0-9.]+ of the time, [0-9.]+ of "
                                              "the FLOPs\\."));
}

TEST_F(Benchmark, AsJsonIsOneObject) {
  const CommandResult result =
      run("benchmark tiny.yaml --set model.attention.layers=[local] --rounds 1 --json");
  EXPECT_EQ(lines_of(result.out).size(), 1U);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("models").at(0).at("pattern"), "local");
  EXPECT_EQ(json.at("length"), 32);
  EXPECT_GT(json.at("time_ratio"), 0.0);
}

TEST_F(Benchmark, EndsCleanlyWhenStopped) {
  RunningCommand running = start("benchmark tiny.yaml --rounds 1000000 --progress bar");
  ASSERT_TRUE(running.wait_for_stderr("benchmark"));
  running.send(SIGINT);
  const CommandResult result = running.finish();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("stopped by SIGINT\n"));
}

TEST_F(Benchmark, WrongOptionsAreRefused) {
  expect_refused("benchmark", {"no CONFIG"});
  expect_refused("benchmark none.yaml", {"none.yaml"});
  expect_refused("benchmark tiny.yaml --rounds 0", {"--rounds: got 0, expected at least 1"});
  expect_refused("benchmark tiny.yaml --steps few", {"--steps: got 'few'"});
  expect_refused("benchmark tiny.yaml --set model.heads=3", {"model.heads"});
}

}  // namespace
}  // namespace sparse_transformer
