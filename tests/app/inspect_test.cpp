#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/app/program.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kConfig =
    "data: {source: bytes, path: no-such-file, sequence: 64}\n"
    "model: {layers: 4, width: 16, heads: 2, attention: {stride: 8, layers: [local, column]}}\n"
    "training: {steps: 1}\n";

/// The commands that tell of a config without opening its data.
class Inspecting : public testing::Test {
 protected:
  Inspecting() { folder_.write_text("a.yaml", kConfig); }

  CommandResult run(const std::string& line) const {
    return run_shell("\"$PROGRAM\" " + line, {.folder = folder_.path()});
  }

  void expect_refused(const std::string& line, const std::string& message) const {
    const CommandResult result = run(line);
    EXPECT_EQ(result.exit_code, 2) << line;
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, MatchesRegex("error: [^\n]+\n"));
    EXPECT_THAT(result.err, HasSubstr(message));
  }

  TemporaryFolder folder_;
};

TEST_F(Inspecting, InspectGivesFiguresAndTensors) {
  const CommandResult result = run("inspect a.yaml");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("parameters"), HasSubstr("memory of a step"),
                    HasSubstr("blocks.I.attention.query_key_value.weight"), HasSubstr("[48, 16]")));
}

TEST_F(Inspecting, TheCostOfARunIsTold) {
  EXPECT_THAT(run("inspect a.yaml").out, HasSubstr("to the end          1 step, "));
  const std::string epochs = "inspect a.yaml --set training.steps=null --set training.epochs=10";
  EXPECT_THAT(run(epochs).out, HasSubstr("to the end          not known before"));
  EXPECT_THAT(run(epochs + " --set data.expected_sequences=1601").out,
              HasSubstr("to the end          1,001 steps, "));
  EXPECT_THAT(run(epochs + " --json").out, Not(HasSubstr("total_flops")));
}

TEST_F(Inspecting, InspectAsJsonIsOneObject) {
  const CommandResult result = run("inspect a.yaml --json");
  EXPECT_THAT(result.out,
              MatchesRegex(R"(\{"parameters":[0-9]+,"flops_per_token":[0-9.]+,)"
                           R"("attention_pairs_per_query":[0-9.]+,"memory_bytes":[0-9]+,)"
                           R"("memory_bytes_by_recompute":\{"none":[0-9]+,"attention":[0-9]+,)"
                           R"("block":[0-9]+\},"steps":1,"total_flops":[0-9.]+,)"
                           R"("assumed_h100_seconds":[0-9.e-]+\})"
                           "\n"));
}

TEST_F(Inspecting, InspectComparesWhatMayBeRecomputed) {
  const CommandResult result = run("inspect a.yaml --set training.recompute=block");
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("\n  recompute: none"), HasSubstr("recompute: attention"),
                    testing::ContainsRegex("recompute: block +[0-9.]+ [KMG]iB \\(this\\)")));
}

TEST_F(Inspecting, InspectTakesARunFolder) {
  folder_.write_text("config.yaml", kConfig);
  EXPECT_EQ(run("inspect .").out, run("inspect a.yaml").out);
}

TEST_F(Inspecting, InspectRefusesWhatIsNeitherConfigNorRun) {
  expect_refused("inspect", "no CONFIG");
  expect_refused("inspect missing.yaml", "missing.yaml");
  expect_refused("inspect .", "no config.yaml");
  expect_refused("inspect a.yaml --set model.heads=3", "model.heads");
}

TEST_F(Inspecting, ACheckpointThatIsDamagedIsNamed) {
  folder_.write_text("config.yaml", kConfig);
  folder_.write_text("manifest.json", "{");
  expect_refused("inspect .", ".");
}

TEST_F(Inspecting, PatternPrintsCountsAndDraws) {
  const CommandResult result = run("pattern a.yaml --out a.png");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("column"), HasSubstr("reaches position 63")));
  EXPECT_THAT(read_text(folder_.path() / "a.png"), StartsWith("\x89PNG"));
}

TEST_F(Inspecting, PatternTakesARunFolder) {
  folder_.write_text("run/config.yaml", kConfig);
  EXPECT_EQ(run("pattern run").out, run("pattern a.yaml").out);
  expect_refused("pattern .", "no config.yaml");
}

TEST_F(Inspecting, PatternOverwritesOnlyWhenTold) {
  folder_.write_text("a.png", "mine");
  expect_refused("pattern a.yaml --out a.png", "a.png exists already");
  EXPECT_EQ(read_text(folder_.path() / "a.png"), "mine");
  EXPECT_EQ(run("pattern a.yaml --out a.png --overwrite").exit_code, 0);
  EXPECT_THAT(read_text(folder_.path() / "a.png"), StartsWith("\x89PNG"));
}

TEST_F(Inspecting, PatternRefusesWhatTheModelDoesNotHave) {
  expect_refused("pattern", "no CONFIG");
  expect_refused("pattern a.yaml --out b.png --layer 4", "--layer: got 4, expected 0 to 3");
  expect_refused("pattern a.yaml --out b.png --position 64",
                 "--position: got 64, expected 0 to 63");
  expect_refused("pattern a.yaml --out b.jpg", "b.jpg: pictures are written as PNG");
  expect_refused("pattern a.yaml --out missing/b.png", "missing");
}

// Every kind, drawn and counted; their own tests are in tests/attention.
TEST_F(Inspecting, DefinedPatternsAreCountedAndDrawn) {
  folder_.write_text("layout.txt", "1 0\n1 1\n");
  folder_.write_text("defined.yaml",
                     "base: a.yaml\n"
                     "model:\n"
                     "  attention:\n"
                     "    define:\n"
                     "      near: {window: {width: 4, dilation: 2}}\n"
                     "      start: {sink: {tokens: 2}}\n"
                     "      text: {prefix: {tokens: 16}}\n"
                     "      wide: {axis: {size: 8, origin: 16}}\n"
                     "      square: {convolution: {kernel: 3}}\n"
                     "      some: {spread: {count: 2}}\n"
                     "      tall: {vertical: {block: 4, stride: 4}}\n"
                     "      chance: {random: {block: 8, blocks: 2}}\n"
                     "      part: {segments: {segment: 16, dilation: 2}}\n"
                     "      marks: {global: {positions: [0, 9]}}\n"
                     "      drawn: {layout: {path: layout.txt, block: 32}}\n"
                     "    layers: [near+start, text+wide, square+some, [tall, chance+part]]\n"
                     "    last: [marks, drawn+local+summary]\n"
                     "    summary: 4\n");
  const CommandResult result = run("pattern defined.yaml --out defined.png --set model.layers=6");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("near+start"), HasSubstr("drawn+local+summary")));
  EXPECT_THAT(read_text(folder_.path() / "defined.png"), StartsWith("\x89PNG"));
  // What a run keeps needs no file any more.
  const std::string resolved = run("config defined.yaml").out;
  EXPECT_THAT(resolved, HasSubstr("rows: [\"10\", \"11\"]"));
  folder_.write_text("resolved.yaml", resolved);
  std::filesystem::remove(folder_.path() / "layout.txt");
  EXPECT_EQ(run("config resolved.yaml").out, resolved);
  expect_refused("pattern defined.yaml", "layout.txt: no such file");
  expect_refused("pattern defined.yaml --set 'model.attention.define.drawn.layout.path=/dev/zero'",
                 "/dev/zero: a device or socket, expected a text file");
}

TEST_F(Inspecting, MistakesInDefinitionsAreNamedWithTheirPlace) {
  const auto refused = [&](const std::string& define, const std::string& message) {
    folder_.write_text("b.yaml", "base: a.yaml\nmodel:\n  attention:\n    define:\n      " +
                                     define + "\n    layers: [mine+local]\n");
    expect_refused("pattern b.yaml", message);
  };
  refused("mine: {windo: {width: 4}}",
          "b.yaml:5: model.attention.define.mine.windo: unknown setting (did you mean "
          "'model.attention.define.mine.window'?)");
  refused("mine: {window: {widht: 4}}",
          "(did you mean 'model.attention.define.mine.window.width'?)");
  refused("mine: {spread: {count: 3}}",
          "b.yaml:5: model.attention.define.mine.spread.count: 3 positions do not divide a row of "
          "8");
  refused("column: {sink: {}}",
          "b.yaml:5: model.attention.define.column: 'column' is a pattern already");
  refused("miner: {sink: {}}", "unknown pattern 'mine' (did you mean 'miner'?)");
  folder_.write_text("rows.txt", "10\n12\n");
  refused("mine: {layout: {path: rows.txt, block: 32}}", "rows.txt:2: neither 0 nor 1");
  folder_.write_text("rows.txt", "10\n111\n");
  refused("mine: {layout: {path: rows.txt, block: 32}}", "rows.txt:2: 3 key blocks, expected 2");
  folder_.write_text("rows.txt", "10\n11\n");
  refused("mine: {layout: {path: rows.txt, block: 8}}", "2 lines, expected 8");
}

TEST_F(Inspecting, PatternAsJsonHasAGroupForEachPattern) {
  const CommandResult result = run("pattern a.yaml --json");
  EXPECT_THAT(result.out, AllOf(StartsWith("{\"length\":64,"), HasSubstr("\"pattern\":\"local\""),
                                HasSubstr("\"layers\":[1,3]"), HasSubstr("\"connected\":true")));
}

}  // namespace
}  // namespace sparse_transformer
