#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class Train : public TinyRuns {
 protected:
  std::vector<Json> metrics(const std::string& name) const {
    std::vector<Json> figures;
    for (const std::string& line : lines_of(read(name + "/metrics.jsonl"))) {
      figures.push_back(Json::parse(line));
    }
    return figures;
  }

  std::vector<std::string> names_in(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder() / name)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(Train, LeavesARunFolder) {
  const CommandResult result = run("train tiny.yaml --run runs/a");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(names_in("runs/a"),
              ElementsAre("checkpoints", "config.yaml", StartsWith("events.out.tfevents."), "lock",
                          "log.txt", "metrics.jsonl", "samples"));
  EXPECT_THAT(names_in("runs/a/samples"),
              ElementsAre("step-00000004.txt", "step-00000008.txt", "training.txt"));
  EXPECT_THAT(names_in("runs/a/checkpoints"),
              ElementsAre("best", "latest", "step-00000004", "step-00000008"));
  EXPECT_THAT(names_in("runs/a/checkpoints/latest"),
              ElementsAre("average.safetensors", "config.yaml", "manifest.json",
                          "model.safetensors", "optimizer.safetensors", "state.json"));
  EXPECT_EQ(fs::read_symlink(folder() / "runs/latest"), "a");
  EXPECT_EQ(fs::read_symlink(folder() / "runs/a/checkpoints/latest"), "step-00000008");
  EXPECT_EQ(run("config runs/a/config.yaml").out, read("runs/a/config.yaml"));
}

TEST_F(Train, SpeaksPlainLinesIntoAPipe) {
  const CommandResult result = run("train tiny.yaml --run a");
  EXPECT_THAT(result.err, AllOf(Not(HasSubstr("\r")), Not(HasSubstr("\033")),
                                HasSubstr("\nstep 8: validation ")));
  for (const Json& line : metrics("a")) {
    if (!line.contains("train_bits")) continue;
    const int step = line["step"].get<int>();
    std::array<char, 64> progress{};  // each line has the figures of its own step
    std::snprintf(progress.data(), progress.size(), "\ntrain %d/8 (%d%%) %.3f bits, ", step,
                  step * 100 / 8, line["train_bits"].get<double>());
    EXPECT_THAT(result.err, HasSubstr(progress.data()));
  }
  EXPECT_THAT(read("a/log.txt"), AllOf(HasSubstr("train 8/8"), HasSubstr("step 8: validation ")));
  EXPECT_THAT(run("train tiny.yaml --run b --quiet").err, IsEmpty());
}

TEST_F(Train, FiguresAreOneJsonObjectALine) {
  train("a");
  std::vector<std::int64_t> trained;
  std::vector<std::int64_t> evaluated;
  for (const Json& line : metrics("a")) {
    const auto step = line.at("step").get<std::int64_t>();
    if (line.contains("valid_bits")) {
      evaluated.push_back(step);
      EXPECT_NEAR(line["valid_bits"].get<double>(), 8.0, 1.0);
    } else {
      trained.push_back(step);
      EXPECT_NEAR(line.at("train_bits").get<double>(), 8.0, 1.0);
      EXPECT_GT(line.at("learning_rate").get<double>(), 0.0);
      EXPECT_GT(line.at("gradient_norm").get<double>(), 0.0);
      EXPECT_GT(line.at("tokens_per_second").get<double>(), 0.0);
    }
  }
  EXPECT_THAT(trained, ElementsAre(2, 4, 6, 8));
  EXPECT_THAT(evaluated, ElementsAre(4, 8));
}

TEST_F(Train, TheLastLinesAreCommandsThatWork) {
  const std::vector<std::string> lines = lines_of(run("train tiny.yaml --run runs/a").err);
  ASSERT_GE(lines.size(), 3U);
  const std::string name = "sparse-transformer ";
  for (std::size_t i = lines.size() - 3; i < lines.size(); ++i) {
    const std::size_t begin = lines[i].find(name);
    ASSERT_NE(begin, std::string::npos) << lines[i];
    const CommandResult result = run(lines[i].substr(begin + name.size()));
    EXPECT_EQ(result.exit_code, 0) << lines[i] << "\n" << result.err;
  }
  EXPECT_TRUE(exists("samples-16.txt"));
}

TEST_F(Train, ARunIsNeverOverwritten) {
  train("runs/a");
  const auto before = contents_of(folder() / "runs");
  expect_refused("train tiny.yaml --run runs/a --set training.seed=2",
                 {"runs/a holds a run already", "train --run runs/a --resume"});
  expect_refused("train tiny.yaml --run runs/a/", {"runs/a holds a run already"});
  EXPECT_EQ(contents_of(folder() / "runs"), before);
}

TEST_F(Train, FilesThatAreNoRunAreNotOverwrittenEither) {
  fs::create_directories(folder() / "mine");
  write("mine/metrics.jsonl", "{\"step\": 7}\n");
  expect_refused("train tiny.yaml --run mine", {"mine/metrics.jsonl exists already"});
  EXPECT_EQ(read("mine/metrics.jsonl"), "{\"step\": 7}\n");
  EXPECT_FALSE(exists("mine/config.yaml"));
  expect_refused("train tiny.yaml --run data.bin", {"data.bin"});
}

TEST_F(Train, AFolderMayBeNamedWithASlash) {
  train("runs/a/");
  EXPECT_EQ(fs::read_symlink(folder() / "runs/latest"), "a");
}

TEST_F(Train, LatestIsOnlyMadeWhereRunsAre) {
  train("a");
  EXPECT_FALSE(exists("latest"));
  fs::create_directories(folder() / "runs");
  write("runs/latest", "mine");
  train("runs/b");
  EXPECT_EQ(read("runs/latest"), "mine");
}

TEST_F(Train, WithoutANameTheRunIsCalledAfterConfigAndTime) {
  EXPECT_EQ(run("train tiny.yaml --set training.steps=1").exit_code, 0);
  EXPECT_THAT(fs::read_symlink(folder() / "runs/latest").string(),
              testing::MatchesRegex("tiny-[0-9]{8}-[0-9]{6}"));
  EXPECT_THAT(run("train --resume").err, HasSubstr("is finished at step 1"));
}

// What is wrong is said before a folder is made, so that the corrected command just works.
TEST_F(Train, ARefusedRunLeavesNothingBehind) {
  for (const char* mistake : {"--set data.sequence=2600", "--set training.steps=null",
                              "--set data.path=none", "--init-from none"}) {
    expect_refused("train tiny.yaml --run runs/a " + std::string(mistake), {});
    EXPECT_FALSE(exists("runs")) << mistake;
  }
  train("runs/a");
}

TEST_F(Train, StartsFromTheWeightsOfAnotherRun) {
  train("a");
  train("b", "--init-from a --set training.keep=9");
  // Step 0 is saved, so that a run killed before its first checkpoint goes on from these weights.
  EXPECT_EQ(tensor_bytes(checkpoint_of(folder() / "b", 0) / "model.safetensors"),
            tensor_bytes(checkpoint_of(folder() / "a", 8) / "average.safetensors"));
  expect_refused("train tiny.yaml --run c --init-from a --set model.width=32",
                 {"a/checkpoints/step-0000000", "model.width is 16 there, 32 here"});
  expect_refused("train tiny.yaml --run c --init-from a --set data.sequence=64",
                 {"data.sequence", "is [4, 8] there, [8, 8] here"});
  train("d", "--init-from a --set model.dropout=0.2 --set model.heads=4");
  EXPECT_FALSE(exists("c"));
  expect_refused("train --run a --resume --init-from b", {"--init-from"});
}

TEST_F(Train, ADryRunShowsWhatWouldHappen) {
  const CommandResult result = run("train tiny.yaml --dry-run");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, run("config tiny.yaml").out);
  EXPECT_THAT(result.err, AllOf(HasSubstr("parameters"), HasSubstr("8 steps of 4 sequences"),
                                HasSubstr("\nthe first sequence begins with the text ")));
  EXPECT_FALSE(exists("runs"));
}

TEST_F(Train, ADryRunLeavesNothingBehind) {
  fs::create_directories(folder() / "temporary");
  const auto before = contents_of(folder());
  const CommandResult result = sh("TMPDIR=temporary \"$PROGRAM\" train tiny.yaml --dry-run");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(contents_of(folder()), before);
}

TEST_F(Train, ADryRunIsRefusedWhereTheRunWouldBe) {
  train("a");
  write("other.bin", std::string(3000, 'x'));
  const auto before = contents_of(folder());
  for (const std::string line :
       {"train tiny.yaml --run a", "train --run none --resume", "train --resume",
        "train --run a --resume --set model.width=32",
        "train --run a --resume --set data.path=other.bin", "train tiny.yaml --init-from none",
        "train tiny.yaml --run b --init-from a --set model.width=32"}) {
    const CommandResult real = run(line);
    EXPECT_EQ(real.exit_code, 2) << line;
    expect_refused(line + " --dry-run", {real.err});
  }
  const CommandResult resumed = run("train --run a --resume --dry-run --set training.steps=9");
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("going on from a/checkpoints/step-00000008"));
  EXPECT_EQ(run("train tiny.yaml --run b --resume --dry-run").exit_code, 0);
  EXPECT_EQ(contents_of(folder()), before);
}

TEST_F(Train, NamesTheSamplesThatItWrites) {
  EXPECT_THAT(run("train tiny.yaml --run a").err,
              AllOf(HasSubstr("\nexamples of the data in a/samples/training.txt\n"),
                    HasSubstr("\nstep 4: samples in a/samples/step-00000004.txt\n"),
                    HasSubstr("\nstep 8: samples in a/samples/step-00000008.txt\n")));
}

// Rows are of 8 positions, sequences of 32; there are two layers.
TEST_F(Train, WarnsOfPatternsThatSeeTooLittleOrEverything) {
  const auto said = [&](const std::string& layers, const std::string& summary) {
    return run("train tiny.yaml --dry-run --set model.attention.layers=" + layers +
               " --set model.attention.summary=" + summary)
        .err;
  };
  const std::string all = "warning: model.attention.summary: 8 of 8 columns of a row";
  EXPECT_THAT(said("[fixed]", "8"), HasSubstr(all));
  EXPECT_THAT(said("[fixed]", "8"), HasSubstr("--set model.attention.summary=2\n"));
  EXPECT_THAT(said("[fixed]", "2"), Not(HasSubstr("warning")));
  EXPECT_THAT(said("[strided]", "8"), Not(HasSubstr("warning")));
  EXPECT_THAT(said("[local]", "2"), HasSubstr("never connect the first position to the last"));
  EXPECT_THAT(said("[previous]", "2"), HasSubstr("warning: 8 of 32 positions have no key"));
}

TEST_F(Train, AdvisesOnAStridedPatternForText) {
  const std::string strided = "train tiny.yaml --dry-run --set model.attention.layers=[strided]";
  const std::string advice = "for text the paper has fixed: --set model.attention.layers=[fixed]\n";
  EXPECT_THAT(run(strided).err, HasSubstr(advice));
  EXPECT_THAT(run(strided + " --set data.sequence=null --set data.shape=[8,8,1]").err,
              Not(HasSubstr("for text")));
  EXPECT_THAT(run("train tiny.yaml --dry-run --set model.attention.layers=[fixed]").err,
              Not(HasSubstr("for text")));
}

TEST_F(Train, WarnsOfAWarmUpThatTakesTheWholeRun) {
  const std::string warning = "warning: training.warmup: 8 of 8 steps";
  EXPECT_THAT(run("train tiny.yaml --dry-run --set training.warmup=8").err, HasSubstr(warning));
  EXPECT_THAT(run("train tiny.yaml --run a --set training.warmup=8").err, HasSubstr(warning));
  EXPECT_THAT(run("train tiny.yaml --dry-run --set training.warmup=7").err,
              Not(HasSubstr("warning")));
}

TEST_F(Train, KeepsTheNewestAndTheBest) {
  train("a", "--set training.checkpoint_every=1 --set training.keep=2");
  const std::string best = fs::read_symlink(folder() / "a/checkpoints/best");
  std::vector<std::string> expected = {"best", "latest", "step-00000007", "step-00000008"};
  if (best == "step-00000004") expected.push_back(best);
  EXPECT_THAT(names_in("a/checkpoints"), testing::UnorderedElementsAreArray(expected));
}

TEST_F(Train, StopsWhenTheLossIsNotFinite) {
  const CommandResult result = run(
      "train tiny.yaml --run a --quiet --set training.learning_rate=1e30 --set training.warmup=0");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, testing::MatchesRegex("error: step [0-9]+: the loss is not finite; "
                                                "training stops[^\n]+\n"));
  EXPECT_FALSE(exists("a/checkpoints/latest"));
  EXPECT_THAT(read("a/log.txt"), HasSubstr("the loss is not finite"));
}

TEST_F(Train, LearnsPictures) {
  write("pictures.yaml",
        "data: {source: generated, shape: [8, 8, 1], generated: {items: 100}}\n"
        "model: {layers: 2, width: 16, heads: 2, attention: {stride: 8, layers: [local]}}\n"
        "training: {steps: 4, batch: 4, evaluate_every: 2, sample_every: 2, sample_count: 4}\n");
  const CommandResult result = run("train pictures.yaml --run a");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(read("a/samples/step-00000004.png"), StartsWith("\x89PNG"));
  EXPECT_THAT(read("a/samples/steps.png"), StartsWith("\x89PNG"));
  EXPECT_THAT(run("evaluate a").out, HasSubstr(" bits a dimension, test split, 320 tokens"));
}

}  // namespace
}  // namespace sparse_transformer
