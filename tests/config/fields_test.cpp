// Each type of field: what it reads, what it refuses and in which words, how it is written.
#include "config/fields.h"

#include <gmock/gmock.h>

#include "tests/config/example_settings.h"

namespace sparse_transformer {
namespace {

using testing::ElementsAre;
using Strings = std::vector<std::string>;

class Fields : public InFolder {};

TEST_F(Fields, EveryTypeIsRead) {
  const ExampleSettings settings = read_text(R"(
enabled: no
steps: 1e6
share: 1
title: 12:30
sequence: 3072
shape: [64, 48]
words: [x, "1", yes]
split: [valid.bin, more/valid.bin]
data: one
schedule: off
inner:
  rate: 1e-3
  deep: {size: -7}
  layers:
    - dense
    - [row, column]
)");
  EXPECT_FALSE(settings.enabled);
  EXPECT_EQ(settings.steps, 1000000);
  EXPECT_EQ(settings.share, 1.0);
  EXPECT_EQ(settings.title, "12:30");
  EXPECT_EQ(settings.sequence, 3072);
  EXPECT_THAT(settings.shape, ElementsAre(64, 48));
  EXPECT_THAT(settings.words, ElementsAre("x", "1", "yes"));
  EXPECT_EQ(settings.split, NumberOrPaths(Strings{"valid.bin", "more/valid.bin"}));
  EXPECT_THAT(settings.data, ElementsAre("one"));
  EXPECT_EQ(settings.schedule, Schedule::kOff);
  EXPECT_EQ(settings.inner.rate, 0.001);
  EXPECT_EQ(settings.inner.deep.size, -7);
  EXPECT_EQ(settings.inner.layers, (WordLists{{"dense"}, {"row", "column"}}));
}

TEST_F(Fields, ShortForms) {
  EXPECT_THAT(read_text("words: one").words, ElementsAre("one"));
  EXPECT_THAT(read_text("words: []").words, ElementsAre());
  EXPECT_THAT(read_text("shape: []").shape, ElementsAre());
  EXPECT_EQ(read_text("split: 5000").split, NumberOrPaths(5000.0));
  EXPECT_EQ(read_text("split: valid.bin").split, NumberOrPaths(Strings{"valid.bin"}));
  EXPECT_EQ(read_text("split: '5000'").split, NumberOrPaths(Strings{"5000"}));
  EXPECT_EQ(read_text("title: ''").title, "");
  EXPECT_EQ(read_text("inner: {}"), ExampleSettings());
  EXPECT_EQ(read_text("inner:"), ExampleSettings());
}

TEST_F(Fields, NullTakesAnOptionalFieldAway) {
  write("a.yaml", "sequence: 5");
  EXPECT_EQ(read({"a.yaml"}).sequence, 5);
  EXPECT_EQ(read({"a.yaml"}, {"sequence=null"}).sequence, std::nullopt);
  EXPECT_EQ(read({"a.yaml"}, {"sequence="}).sequence, std::nullopt);
}

struct StateLike {
  std::optional<double> best;
  Texts machine;
  void describe(FieldVisitor& visit) {
    visit.field("best", best, "a figure", at_least(0.0));
    visit.field("machine", machine, "texts");
  }
};

TEST_F(Fields, OptionalNumbersAndTextsUnderNames) {
  const auto read_state = [](const std::string& text) {
    StateLike state;
    Config::from_text(text, "s", {}).read(state);
    return state;
  };
  const auto error_of_state = [&](const std::string& text) -> std::string {
    try {
      read_state(text);
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  const StateLike state = read_state("{best: 0.5, machine: {cpu: 'a: b', threads: '2'}}");
  EXPECT_EQ(state.best, 0.5);
  EXPECT_EQ(state.machine, (Texts{{"cpu", "a: b"}, {"threads", "2"}}));
  EXPECT_EQ(read_state(resolved_yaml(state)).machine, state.machine);
  EXPECT_EQ(read_state("best: null").best, std::nullopt);
  EXPECT_EQ(error_of_state("best: -1"), "s:1: best: got -1, expected a number of at least 0");
  EXPECT_EQ(error_of_state("machine: [a]"),
            "s:1: machine: got [a], expected texts, each under a name");
  EXPECT_EQ(error_of_state("machine: {a: [b]}"),
            "s:1: machine: got {a: [b]}, expected texts, each under a name");
}

TEST_F(Fields, WhatWasGivenIsKnown) {
  const Config config = Config::from_text("{steps: 1, inner: {rate: 2}, title: null}", "s", {});
  EXPECT_TRUE(config.gives("steps"));
  EXPECT_TRUE(config.gives("inner.rate"));
  EXPECT_TRUE(config.gives("title"));
  EXPECT_FALSE(config.gives("inner.deep.size"));
  EXPECT_FALSE(config.gives("share"));
  EXPECT_FALSE(config.gives(""));
}

TEST_F(Fields, WrongTypes) {
  EXPECT_EQ(error_of_text("enabled: 1"), "a.yaml:1: enabled: got 1, expected true or false");
  EXPECT_EQ(error_of_text("enabled: 'yes'"),
            "a.yaml:1: enabled: got \"yes\", expected true or false");
  EXPECT_EQ(error_of_text("\nsteps: many"),
            "a.yaml:2: steps: got many, expected a whole number of at least 1");
  EXPECT_EQ(error_of_text("steps: 1.5"),
            "a.yaml:1: steps: got 1.5, expected a whole number of at least 1");
  EXPECT_EQ(error_of_text("steps: '5'"),
            "a.yaml:1: steps: got \"5\", expected a whole number of at least 1");
  EXPECT_EQ(error_of_text("steps:"),
            "a.yaml:1: steps: got nothing, expected a whole number of at least 1");
  EXPECT_EQ(error_of_text("share: half"),
            "a.yaml:1: share: got half, expected a number from 0 to 1");
  EXPECT_EQ(error_of_text("share: .nan"),
            "a.yaml:1: share: got .nan, expected a number from 0 to 1");
  EXPECT_EQ(error_of_text("title: [a, b]"), "a.yaml:1: title: got [a, b], expected text");
  EXPECT_EQ(error_of_text("title: ~"), "a.yaml:1: title: got nothing, expected text");
  EXPECT_EQ(error_of_text("shape: 5"),
            "a.yaml:1: shape: got 5, expected a list, each entry a whole number from 1 to 4096");
  EXPECT_EQ(error_of_text("words: [[a]]"),
            "a.yaml:1: words: got [[a]], expected a word or a list of words");
  EXPECT_EQ(error_of_text("data: {path: x}"),
            "a.yaml:1: data: got {path: x}, expected a path or a list of paths");
  EXPECT_EQ(
      error_of_text("split: {}"),
      "a.yaml:1: split: got {}, expected a number of at least 0, or a path or a list of paths");
  EXPECT_EQ(error_of_text("inner:\n  layers: local"),
            "a.yaml:2: inner.layers: got local, expected a list whose entries are words or lists "
            "of words; write [local]");
  EXPECT_EQ(error_of_text("schedule: linear"),
            "a.yaml:1: schedule: got linear, expected one of constant, cosine, off");
}

TEST_F(Fields, OutOfRange) {
  EXPECT_EQ(error_of_text("steps: 0"),
            "a.yaml:1: steps: got 0, expected a whole number of at least 1");
  EXPECT_EQ(error_of_text("share: 1.5"), "a.yaml:1: share: got 1.5, expected a number from 0 to 1");
  EXPECT_EQ(
      error_of_text("split: -1"),
      "a.yaml:1: split: got -1, expected a number of at least 0, or a path or a list of paths");
  EXPECT_EQ(error_of_text("sequence: -5"),
            "a.yaml:1: sequence: got -5, expected a whole number of at least 1");
  EXPECT_EQ(
      error_of_text("shape: [32,\n  0]"),
      "a.yaml:1: shape: got [32, 0], expected a list, each entry a whole number from 1 to 4096");
  EXPECT_EQ(error_of_text("inner: {rate: 0}"),
            "a.yaml:1: inner.rate: got 0, expected a number above 0");
}

TEST_F(Fields, AScalarWhereASectionIsExpectedAndTheReverse) {
  EXPECT_EQ(error_of_text("inner: 5"), "a.yaml:1: inner: got 5, expected a section of settings");
  EXPECT_EQ(error_of_text("inner: [a]"),
            "a.yaml:1: inner: got [a], expected a section of settings");
  EXPECT_EQ(error_of_text("steps:\n  a: 5"),
            "a.yaml:1: steps: got {a: 5}, expected a whole number of at least 1");
}

TEST_F(Fields, TheFirstBadValueIsNamed) {
  EXPECT_EQ(error_of_text("share: 2\nsteps: 0\n"),
            "a.yaml:2: steps: got 0, expected a whole number of at least 1");
  EXPECT_EQ(error_of_text("inner: {deep: {size: x}}"),
            "a.yaml:1: inner.deep.size: got x, expected a whole number");
}

TEST_F(Fields, ABadValueLeavesNoTraceInTheMessageOfMoreThanOneLine) {
  const std::string message = error_of_text("steps: |\n  a\n  b\n" + std::string(300, ' '));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(error_of_text("steps: " + std::string(300, 'x')),
            "a.yaml:1: steps: got " + std::string(80, 'x') +
                "..., expected a whole number of at least 1");
}

ExampleSettings unusual_settings() {
  ExampleSettings settings;
  settings.enabled = false;
  settings.steps = 9007199254740993;
  settings.share = 1.0 / 3.0;
  settings.title = "\"quoted\\\" # no comment:\n\ttwo lines é ~";
  settings.sequence = 1;
  settings.shape = {};
  settings.words = {"", " ", "null", "1e3", "- a", "{b}", "yes", "\x04"};
  settings.split = Strings{"0.5", "/a b/c"};
  settings.data = {};
  settings.schedule = Schedule::kOff;
  settings.inner.rate = 1e-300;
  settings.inner.layers = {{}, {"one"}, {"a", "b"}, {"~"}};
  return settings;
}

TEST_F(Fields, ResolvedYamlReadsBackAsTheSameSettings) {
  for (const ExampleSettings& settings : {ExampleSettings(), unusual_settings()}) {
    const std::string yaml = resolved_yaml(settings);
    ExampleSettings again;
    again.steps = 77;
    Config::from_text(yaml, "resolved", {}).read(again);
    EXPECT_EQ(again, settings) << yaml;
    EXPECT_EQ(resolved_yaml(again), yaml);
  }
}

TEST_F(Fields, ResolvedYaml) {
  EXPECT_EQ(resolved_yaml(ExampleSettings()), R"(enabled: true
steps: 1000
share: 0.05
title: "no"
shape: [32, 32, 3]
words: [a, "b c"]
split: 0.05
data: [data/enwik8]
schedule: cosine
inner:
  rate: 0.00035
  deep:
    size: 2
  layers: [column, [local, near+start]]
)");
}

TEST_F(Fields, Reference) {
  EXPECT_EQ(settings_reference<ExampleSettings>(), R"(# whether to (true or false)
enabled: true

# optimizer steps (a whole number of at least 1)
steps: 1000

# a share (a number from 0 to 1)
share: 0.05

# a title (text)
title: "no"

# tokens (a whole number of at least 1; not set by default)
# sequence:

# height, width, channels (a list, each entry a whole number from 1 to 4096)
shape: [32, 32, 3]

# some words (a word or a list of words)
words: [a, "b c"]

# a share, a count, or paths (a number of at least 0, or a path or a list of paths)
split: 0.05

# where the data are (a path or a list of paths)
data: [data/enwik8]

# of the rate (one of constant, cosine, off)
schedule: cosine

# a section
inner:
  # learning rate (a number above 0)
  rate: 0.00035
  # a section in a section
  deep:
    # a size (a whole number)
    size: 2
  # one entry a layer (a list whose entries are words or lists of words)
  layers: [column, [local, near+start]]
)");
}

TEST_F(Fields, TheReferenceIsAConfigOfTheDefaults) {
  ExampleSettings settings = unusual_settings();
  settings.sequence.reset();
  Config::from_text(settings_reference<ExampleSettings>(), "reference", {}).read(settings);
  EXPECT_EQ(settings, ExampleSettings());
}

TEST_F(Fields, Differences) {
  ExampleSettings after;
  after.sequence = 5;
  after.inner.rate = 1;
  after.inner.deep.size = 3;
  after.inner.layers = {};
  after.words = {"no"};
  const std::vector<SettingDifference> found = settings_differences(ExampleSettings(), after);
  ASSERT_EQ(found.size(), 5);
  EXPECT_EQ(found[0].key, "sequence");
  EXPECT_EQ(found[0].before, "null");
  EXPECT_EQ(found[0].after, "5");
  EXPECT_EQ(found[1].key, "words");
  EXPECT_EQ(found[1].before, "[a, \"b c\"]");
  EXPECT_EQ(found[1].after, "[\"no\"]");
  EXPECT_EQ(found[2].key, "inner.rate");
  EXPECT_EQ(found[2].before, "0.00035");
  EXPECT_EQ(found[2].after, "1.0");
  EXPECT_EQ(found[3].key, "inner.deep.size");
  EXPECT_EQ(found[4].key, "inner.layers");
  EXPECT_TRUE(settings_differences(after, after).empty());
}

}  // namespace
}  // namespace sparse_transformer
