#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Curves : public TinyRuns {
 protected:
  Curves() { train("a"); }
};

TEST_F(Curves, OfRunsAreDrawnAndTheirLastFiguresPrinted) {
  train("b", "--set training.seed=2");
  const CommandResult result = run("curves a b/ --out curves.png");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[0], AllOf(StartsWith("run "), HasSubstr("best validation")));
  EXPECT_THAT(lines[1], testing::MatchesRegex("a +8 +[0-9.]+ +[0-9.]+ +[0-9.]+ at step [48]"));
  EXPECT_THAT(lines[2], StartsWith("b "));
  EXPECT_THAT(read("curves.png"), StartsWith("\x89PNG"));
}

TEST_F(Curves, OverwriteOnlyWhenTold) {
  write("curves.png", "mine");
  expect_refused("curves a --out curves.png", {"curves.png exists already", "--overwrite"});
  EXPECT_EQ(read("curves.png"), "mine");
  EXPECT_EQ(run("curves a --out curves.png --overwrite").exit_code, 0);
  EXPECT_THAT(read("curves.png"), StartsWith("\x89PNG"));
}

TEST_F(Curves, WhatIsNotThereIsNamed) {
  expect_refused("curves --out c.png", {"RUN"});
  expect_refused("curves a", {"--out"});
  expect_refused("curves a none --out c.png", {"none: no run"});
  expect_refused("curves a --out c.jpg", {"c.jpg: pictures are written as PNG"});
  expect_refused("curves a --out missing/c.png", {"missing: there is no such folder"});
  std::filesystem::resize_file(folder() / "a/metrics.jsonl", 0);
  expect_refused("curves a --out c.png", {"a/metrics.jsonl: no figures yet"});
  std::filesystem::remove(folder() / "a/metrics.jsonl");
  expect_refused("curves a --out c.png", {"a/metrics.jsonl"});
  EXPECT_FALSE(exists("c.png"));
}

}  // namespace
}  // namespace sparse_transformer
