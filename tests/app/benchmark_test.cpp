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

TEST_F(Benchmark, PrintsTablesForPeople) {
  const CommandResult result =
      run("benchmark tiny.yaml --steps 2 --rounds 2 --batch 2 --progress none");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 18U);
  EXPECT_THAT(lines[0], HasSubstr("1 thread; in fp32; medians of 2 rounds"));
  EXPECT_THAT(lines[1], testing::StartsWith("Limits: a matrix product, "));
  for (const auto& [line, pattern] : {std::pair{4, "local"}, {5, "column"}, {6, "dense"}}) {
    EXPECT_THAT(lines[static_cast<std::size_t>(line)],
                testing::MatchesRegex(pattern + std::string(" +[0-9.]+ +.+%")));
  }
  EXPECT_THAT(lines[10], testing::MatchesRegex("local, column +[0-9.]+ +.+%"));
  EXPECT_THAT(lines[11], testing::MatchesRegex("dense +[0-9.]+ +.+%"));
  EXPECT_EQ(lines[12], "4 x 32 tokens, 2 steps a round. MFU: FLOP/s, of the matrix product's.");
  EXPECT_THAT(lines[13], testing::MatchesRegex("Sparse over dense: [0-9.]+ of the time, [0-9.]+ of "
                                               "the FLOPs\\."));
  EXPECT_THAT(lines[16], testing::MatchesRegex("2 sequences +[0-9.]+ +.+%"));
}

TEST_F(Benchmark, AsJsonIsOneObject) {
  const CommandResult result =
      run("benchmark tiny.yaml --set model.attention.layers=[local] --rounds 1 --json");
  EXPECT_EQ(lines_of(result.out).size(), 1U);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("models").at(0).at("pattern"), "local");
  EXPECT_EQ(json.at("length"), 32);
  EXPECT_GT(json.at("time_ratio"), 0.0);
  EXPECT_EQ(json.at("attention").size(), 2U);
  EXPECT_EQ(json.at("sampling").size(), 2U);
}

TEST_F(Benchmark, TimesOnlyWhatIsAskedFor) {
  const CommandResult result =
      run("benchmark tiny.yaml --rounds 1 --parts attention,sampling --batch 3 --json");
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_TRUE(json.at("models").empty());
  EXPECT_EQ(json.at("attention").size(), 3U);
  EXPECT_EQ(json.at("sampling").at(0).at("sequences"), 3);
}

TEST_F(Benchmark, InHalfPrecisionItsLimitIsTheFasterProduct) {
  const CommandResult result =
      run("benchmark tiny.yaml --rounds 1 --parts attention --set training.precision=bf16 --json");
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("precision"), "bf16");
  EXPECT_THAT(json.at("matrix_product_precision"), testing::AnyOf("bf16", "fp32"));
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
  expect_refused("benchmark tiny.yaml --rounds 0",
                 {"--rounds: got 0, expected a whole number from 1 to 1000000"});
  expect_refused("benchmark tiny.yaml --seconds 0",
                 {"--seconds: got 0, expected a whole number from 1 to 1000000"});
  expect_refused("benchmark tiny.yaml --batch 1,0",
                 {"--batch: got 0, expected a whole number from 1 to 1000000"});
  expect_refused("benchmark tiny.yaml --parts attention,stop",
                 {"--parts: got 'stop', expected attention, step or sampling"});
  expect_refused("benchmark tiny.yaml --steps few", {"--steps: got 'few'"});
  expect_refused("benchmark tiny.yaml --set model.heads=3", {"model.heads"});
}

}  // namespace
}  // namespace sparse_transformer
