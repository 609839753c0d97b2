// scripts/compare.sh, with the program that these tests run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class Compare : public TinyRuns {
 protected:
  CommandResult compare(const std::string& line) const {
    return sh("SPARSE_TRANSFORMER_PROGRAM=\"$PROGRAM\" " SPARSE_TRANSFORMER_SCRIPTS "/compare.sh " +
              line);
  }
};

TEST_F(Compare, TrainsEachPatternAndPrintsATable) {
  const std::string line =
      "tiny.yaml dense local,column '[local, column]' -- --set training.steps=4";
  const CommandResult first = compare(line);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::vector<std::string> lines = lines_of(first.out);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_THAT(lines[0],
              StartsWith("| pattern | keys a query | parameters | valid bits | test bits "));
  const std::string figures = R"( \| [0-9]+\.[0-9] \| [0-9]+ \| [78]\.[0-9]{4} \| [78]\.[0-9]{4} )"
                              R"(\| [0-9]+ \| [0-9]+\.[0-9]{2} \|)";
  EXPECT_THAT(lines[2], MatchesRegex(R"(\| dense \| 16\.5 \|.* \| 1\.00 \|)"));
  EXPECT_THAT(lines[2], MatchesRegex(R"(\| dense)" + figures));
  EXPECT_THAT(lines[3], MatchesRegex(R"(\| local,column)" + figures));
  EXPECT_THAT(lines[4], MatchesRegex(R"(\| \[local, column\])" + figures));
  EXPECT_EQ(read("runs/compare-tiny/table.md"), first.out);
  EXPECT_THAT(read("runs/compare-tiny/curves.png"), StartsWith("\x89PNG"));
  EXPECT_TRUE(exists("runs/compare-tiny/local,column/checkpoints/step-00000004"));

  const std::string log = read("runs/compare-tiny/dense/metrics.jsonl");
  const CommandResult again = compare(line);  // nothing is trained anew
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.out, first.out);
  EXPECT_EQ(read("runs/compare-tiny/dense/metrics.jsonl"), log);
}

TEST_F(Compare, GoesWhereItIsTold) {
  const CommandResult result =
      compare("--out here tiny.yaml local+column -- --set training.steps=2");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(exists("here/local+column/config.yaml"));
  EXPECT_TRUE(exists("here/table.md"));
}

TEST_F(Compare, MistakesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> mistakes = {
      {"", "no CONFIG is given"},
      {"tiny.yaml", "no PATTERN is given"},
      {"tiny.yaml dense --set a=b", "unknown option --set"},
      {"none.yaml dense", "none.yaml: there is no such config"},
      {"tiny.yaml dnese", "dnese"},
  };
  for (const auto& [line, says] : mistakes) {
    const CommandResult result = compare(line);
    EXPECT_EQ(result.exit_code, 2) << line;
    EXPECT_EQ(result.out, "") << line;
    EXPECT_THAT(result.err, HasSubstr(says)) << line;
    EXPECT_THAT(result.err, Not(HasSubstr("unbound"))) << line;
  }
  EXPECT_THAT(compare("--help").out, HasSubstr("Usage: scripts/compare.sh"));
}

}  // namespace
}  // namespace sparse_transformer
