#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::HasSubstr;

class Evaluate : public TinyRuns {
 protected:
  Evaluate() { train("a"); }

  Json evaluate(const std::string& line) const {
    const CommandResult result = run("evaluate --json " + line);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(lines_of(result.out).size(), 1U);
    return Json::parse(result.out);
  }
};

TEST_F(Evaluate, AsJsonIsOneObject) {
  const Json json = evaluate("a");
  EXPECT_NEAR(json.at("bits").get<double>(), 8.0, 1.0);
  EXPECT_EQ(json.at("tokens"), 201);
  EXPECT_EQ(json.at("examples"), 7);  // windows of 32, the last one shorter
  EXPECT_EQ(json.at("split"), "test");
  EXPECT_EQ(json.at("weights"), "average");
}

TEST_F(Evaluate, ForPeopleIsOneLine) {
  const CommandResult result = run("evaluate a --split valid");
  EXPECT_THAT(result.out, testing::MatchesRegex("[0-9.]+ bits a byte, valid split, 200 tokens in 7 "
                                                "windows without overlap, average weights of step "
                                                "[48]; the paper scores with context, which "
                                                "usually gives fewer bits: --min-context 16\n"));
}

TEST_F(Evaluate, LeastContextsForPeopleAreATable) {
  const Json results = evaluate("a --min-context 0,16,31").at("results");
  const std::vector<std::string> lines = lines_of(run("evaluate a --min-context 0,16,31").out);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_THAT(lines[0], testing::MatchesRegex("test split, 201 tokens, windows of 32, average "
                                              "weights of step [48]"));
  EXPECT_EQ(lines[1], "minimum context  new tokens a window  windows  bits a byte");
  const std::vector<std::string> begin = {"              0                   32        7       ",
                                          "             16                   16       12       ",
                                          "             31                    1      170       "};
  for (std::size_t i = 0; i < begin.size(); ++i) {
    ASSERT_EQ(lines[i + 2].size(), lines[1].size());
    EXPECT_EQ(lines[i + 2].substr(0, begin[i].size()), begin[i]);
    EXPECT_NEAR(std::stod(lines[i + 2].substr(begin[i].size())),
                results[i].at("bits").get<double>(), 5.1e-5);
  }
  EXPECT_EQ(lines_of(run("evaluate a --min-context 16").out).size(), 3U);
}

// 1/2, 3/4, 7/8 and 31/32 of 32; further parts are no whole tokens.
TEST_F(Evaluate, ThePapersContextsAreParts) {
  const Json results = evaluate("a --min-context paper").at("results");
  ASSERT_EQ(results.size(), 4U);
  const std::vector<int> contexts = {16, 24, 28, 31};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(results[i].at("min_context"), contexts[i]);
  expect_refused("evaluate a --min-context 0,paper", {"got 'paper', expected a whole number"});
}

TEST_F(Evaluate, EveryTokenOfEverySplitCountsOnce) {
  EXPECT_EQ(evaluate("a --split train").at("tokens"), 3000 - 200 - 201);
  EXPECT_EQ(evaluate("a --split valid").at("tokens"), 200);
  const Json several = evaluate("a --min-context 0,1,16,31");
  ASSERT_EQ(several.at("results").size(), 4U);
  for (const Json& json : several.at("results")) EXPECT_EQ(json.at("tokens"), 201) << json;
}

TEST_F(Evaluate, TakesALeastContextOrSeveral) {
  const Json json = evaluate("a --min-context 0,16");
  ASSERT_EQ(json.at("results").size(), 2U);
  EXPECT_EQ(json["results"][0].at("min_context"), 0);
  EXPECT_EQ(json["results"][1].at("min_context"), 16);
  EXPECT_EQ(json["results"][1].at("examples"), 12);  // windows that advance by 16
  EXPECT_EQ(json.at("bits"), json["results"][0].at("bits"));
  EXPECT_EQ(evaluate("a --min-context 16").at("bits"), json["results"][1].at("bits"));
  expect_refused("evaluate a --min-context 32", {"--min-context 32"});
  expect_refused("evaluate a --min-context 0,32", {"--min-context 32"});  // and scores none
  expect_refused("evaluate a --min-context -1", {"--min-context -1"});
  expect_refused("evaluate a --min-context many", {"--min-context"});
}

TEST_F(Evaluate, TheResultDoesNotDependOnTheBatch) {
  const double bits = evaluate("a").at("bits").get<double>();
  for (const char* size : {"1", "3", "4"}) {
    const std::string line = "a --set training.micro_batch=" + std::string(size);
    EXPECT_NEAR(evaluate(line).at("bits").get<double>(), bits, 1e-6) << size;
  }
}

TEST_F(Evaluate, AgreesWithWhatTrainingSaw) {
  Json best;
  for (const std::string& line : lines_of(read("a/metrics.jsonl"))) {
    const Json json = Json::parse(line);
    if (json.contains("valid_bits") &&
        (best.is_null() || json["valid_bits"].get<double>() < best["valid_bits"].get<double>())) {
      best = json;
    }
  }
  const Json json = evaluate("a --split valid");
  EXPECT_EQ(json.at("bits"), best.at("valid_bits"));
  EXPECT_EQ(json.at("step"), best.at("step"));
}

TEST_F(Evaluate, TakesARunACheckpointOrAFileInOne) {
  const Json json = evaluate("a/checkpoints/latest");
  EXPECT_EQ(json.at("step"), 8);
  EXPECT_EQ(evaluate("a/checkpoints/step-00000008/model.safetensors").at("bits"), json.at("bits"));
  EXPECT_EQ(evaluate("a/checkpoints/step-00000004").at("step"), 4);
}

TEST_F(Evaluate, WithoutAnAverageItScoresTheModel) {
  train("b", "--set training.average=0");
  EXPECT_EQ(evaluate("b").at("weights"), "model");
}

TEST_F(Evaluate, RefusesWhatItCannotScore) {
  expect_refused("evaluate", {"RUN"});
  expect_refused("evaluate none", {"none: there is no such run or checkpoint"});
  expect_refused("evaluate data.bin", {"no checkpoint"});
  expect_refused("evaluate a --split tests", {"--split: got 'tests'", "did you mean 'test'?"});
  expect_refused("evaluate a --set model.width=32", {"model.width=32", "trained with 16"});
  expect_refused("evaluate a --set data.split.test=0", {"test split", "is empty"});
  expect_refused("evaluate a --set data.path=none", {"--set data.path=none: data.path: "});
  expect_refused("evaluate a --set data.pat=none", {"data.pat"});
  fs::remove(folder() / "data.bin");
  expect_refused("evaluate a", {"/config.yaml:", ": data.path: ", "/data.bin: there is no such"});
}

}  // namespace
}  // namespace sparse_transformer
