#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class Attention : public TinyRuns {
 protected:
  Attention() { train("a"); }
};

TEST_F(Attention, IsDrawnForASpreadOfLayersHeadsAndPositions) {
  const CommandResult result = run("attention a --out a.png");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(read("a.png"), StartsWith("\x89PNG"));
  EXPECT_THAT(result.err, HasSubstr("reads the first of the valid split of "));
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 1U + 2 * 2 * 4);  // both layers and heads, four positions
  EXPECT_THAT(lines[1], MatchesRegex("local +row 0, column [0-5] +0 +0 +5 +6 +[0-9.]+ +[0-9.]+"));
  EXPECT_THAT(lines.back(), MatchesRegex("column +row [0-3], column 5 +1 +1 +29 +4 .+"));
}

TEST_F(Attention, TakesChosenQueriesAndAFileToRead) {
  write("text.txt", "the sparse");
  std::filesystem::remove(folder() / "data.bin");
  const std::string line = "attention a/checkpoints/latest --prime text.txt --out a.png ";
  const CommandResult result = run(line + "--layer 1 --head 0 --position 9,3");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_THAT(lines[1], MatchesRegex("column +row [01], column 1 +1 +0 +9 +2 .+"));
  EXPECT_THAT(lines[2], MatchesRegex("column +row 0, column 3 +1 +0 +3 +1 +1\\.0 +1\\.000"));
  expect_refused(line, {"a.png exists already"});
  expect_refused(line + "--overwrite --position 10", {"--position: got 10, expected 0 to 9"});
  EXPECT_EQ(run(line + "--overwrite").exit_code, 0);
  expect_refused("attention a --out b.png", {"data.bin: there is no such", "--prime"});
}

TEST_F(Attention, WhatIsNotThereIsRefused) {
  write("empty.txt", "");
  expect_refused("attention a", {"--out"});
  expect_refused("attention none --out a.png", {"none: there is no such run or checkpoint"});
  expect_refused("attention a --out a.jpg", {"a.jpg: pictures are written as PNG"});
  expect_refused("attention a --out a.png --layer 2", {"--layer: got 2, expected 0 to 1"});
  expect_refused("attention a --out a.png --head 0,5", {"--head: got 5, expected 0 to 1"});
  expect_refused("attention a --out a.png --prime empty.txt", {"empty.txt: empty"});
  expect_refused("attention a --out a.png --set model.heads=1", {"trained with 2"});
  EXPECT_FALSE(exists("a.png"));
}

}  // namespace
}  // namespace sparse_transformer
