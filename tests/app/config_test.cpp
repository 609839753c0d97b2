#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/program.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

class ConfigCommand : public testing::Test {
 protected:
  CommandResult run(const std::string& line) const {
    return run_shell("\"$PROGRAM\" config " + line, {.folder = folder_.path()});
  }

  void expect_refused(const std::string& line, const std::string& message) const {
    const CommandResult result = run(line);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.out, IsEmpty());
    EXPECT_THAT(result.err, MatchesRegex("error: [^\n]+\n"));
    EXPECT_THAT(result.err, HasSubstr(message));
  }

  TemporaryFolder folder_;
};

TEST_F(ConfigCommand, PrintsTheResolvedSettingsOnStdout) {
  folder_.write_text("a.yaml", "data: {source: cifar10, path: pictures, sequence: 3072}\n");
  folder_.write_text("b.yaml", "data: {sequence: 64}\n");
  const CommandResult result = run("a.yaml b.yaml --set data.source=bytes");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_THAT(result.out, AllOf(HasSubstr("source: bytes\n"), HasSubstr("sequence: 64\n")));
}

TEST_F(ConfigCommand, TheKindOfDataGivesTheDefaultPattern) {
  const std::string fixed = "layers: [row+summary]\n";
  const std::string strided = "layers: [local, column]\n";
  const auto layers_of = [&](const std::string& settings) {
    return run("--set data.sequence=1024 " + settings).out;
  };
  EXPECT_THAT(layers_of("--set data.source=bytes"), HasSubstr(fixed));
  EXPECT_THAT(layers_of("--set data.source=bytes"), HasSubstr("summary: 8\n"));
  for (const std::string source : {"audio", "midi", "packed"}) {
    EXPECT_THAT(layers_of("--set data.source=" + source), HasSubstr(strided)) << source;
  }
  EXPECT_THAT(run("--set data.source=cifar10").out,
              AllOf(HasSubstr(strided), HasSubstr("summary: 24\n")));
  EXPECT_THAT(run("--set data.shape=[8,10,3]").out,  // bytes that are pictures: 7 divides no 30
              AllOf(HasSubstr(strided), HasSubstr("summary: 6\n")));
  EXPECT_THAT(layers_of("--set model.attention.layers=[strided]"), HasSubstr(strided));
}

TEST_F(ConfigCommand, AFileAfterSetIsStillAFile) {
  folder_.write_text("a.yaml", "data: {sequence: 3}\n");
  EXPECT_THAT(run("--set data.sequence=4 a.yaml").out, HasSubstr("sequence: 4\n"));
}

TEST_F(ConfigCommand, WhatItPrintsGivesTheSameSettings) {
  folder_.write_text("a.yaml", "data: {source: generated, split: {valid: 0.1}}\n");
  const std::string resolved = run("a.yaml").out;
  folder_.write_text("resolved.yaml", resolved);
  EXPECT_EQ(run("resolved.yaml").out, resolved);
}

TEST_F(ConfigCommand, TheReferenceIsAConfigOfTheDefaults) {
  folder_.write_text("reference.yaml", run("--reference").out);
  folder_.write_text("empty.yaml", "{}\n");
  const std::string sequence = " --set data.sequence=64";  // the one setting without a default
  const CommandResult result = run("reference.yaml" + sequence);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, run("empty.yaml" + sequence).out);
}

TEST_F(ConfigCommand, TakesARunFolder) {
  folder_.write_text("run/config.yaml", "data: {source: generated}\n");
  const CommandResult result = run("run --set training.steps=7");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, run("run/config.yaml --set training.steps=7").out);
}

TEST_F(ConfigCommand, MistakesAreNamedWithFileAndLine) {
  folder_.write_text("key.yaml", "data:\n  source: bytes\n  sequense: 3\n");
  expect_refused("key.yaml", "key.yaml:3: ");
  expect_refused("key.yaml", "sequence");
  folder_.write_text("type.yaml", "data:\n  sequence: many\n");
  expect_refused("type.yaml", "type.yaml:2: data.sequence: got");
  folder_.write_text("range.yaml", "data:\n  sequence: -3\n");
  expect_refused("range.yaml", "range.yaml:2: data.sequence: got");
  expect_refused("--set data.sequence=many", "--set data.sequence=many");
}

TEST_F(ConfigCommand, FilesThatCannotBeReadAreNamed) {
  expect_refused("missing.yaml", "missing.yaml");
  expect_refused(".", "no config.yaml");
  folder_.write_text("broken.yaml", "data: {\n");
  expect_refused("broken.yaml", "broken.yaml:");
  expect_refused("", "no CONFIG, run or checkpoint is given");
}

}  // namespace
}  // namespace sparse_transformer
