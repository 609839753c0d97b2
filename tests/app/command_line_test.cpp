#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/program.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// A mistake of the user's: exit code 2, nothing on stdout, and one line on stderr that says this.
void expect_refused(const std::vector<std::string>& arguments, const std::string& message) {
  const CommandResult result = run_program(arguments);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_THAT(result.err, MatchesRegex("error: [^\n]+\n"));
  EXPECT_THAT(result.err, HasSubstr(message));
}

TEST(CommandLine, WithoutArgumentsTheHelpShowsExamples) {
  for (const char* argument : {"", "--help", "-h"}) {
    const std::vector<std::string> arguments(*argument == '\0' ? 0 : 1, argument);
    const CommandResult result = run_program(arguments);
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.err, IsEmpty());
    EXPECT_THAT(result.out, AllOf(HasSubstr("\nExamples:\n  sparse-transformer train configs/"),
                                  HasSubstr("\nCommands:\n"), HasSubstr("\n  config ")));
  }
}

TEST(CommandLine, EveryCommandHasHelp) {
  const CommandResult result = run_program({"config", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_THAT(result.out, AllOf(HasSubstr("sparse-transformer config"), HasSubstr("--set"),
                                HasSubstr("--reference"), HasSubstr("--quiet")));
}

TEST(CommandLine, HelpOfACommandEndsWithExamplesOfIt) {
  for (const std::string command : {"train", "sample", "evaluate", "prepare", "pattern", "inspect",
                                    "config", "curves", "benchmark", "attention"}) {
    const CommandResult result = run_program({command, "--help"});
    EXPECT_THAT(result.out,
                MatchesRegex("(.|\n)+\nExamples?:\n(  sparse-transformer " + command + " .+\n)+"))
        << command;
  }
}

TEST(CommandLine, HelpIsAlsoACommand) {
  EXPECT_EQ(run_program({"help"}).out, run_program({"--help"}).out);
  for (const std::string line : {"help train", "-q help train", "help train --run a"}) {
    const CommandResult result = run_shell("\"$PROGRAM\" " + line);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, run_program({"train", "--help"}).out) << line;
  }
  expect_refused({"help", "trian"}, "unknown command 'trian' (did you mean 'train'?)");
  expect_refused({"hlep"}, "(did you mean 'help'?)");
}

TEST(CommandLine, HelpAdvisesAPattern) {
  EXPECT_THAT(run_program({"pattern", "--help"}).out,
              ContainsRegex("strided for data with a period .+, fixed for text"));
}

TEST(CommandLine, HelpShowsDefaults) {
  EXPECT_THAT(run_program({"sample", "--help"}).out,
              AllOf(HasSubstr("how many samples (default: 1)"),
                    HasSubstr("samples drawn side by side (default: 16)"),
                    ContainsRegex("--temperature .+\\(default: 1\\)"),
                    ContainsRegex("--top-p .+\\(default: 1\\)"),
                    ContainsRegex("--seed .+\\(default: 1\\)")));
  EXPECT_THAT(run_program({"evaluate", "--help"}).out,
              AllOf(HasSubstr("what to score: train, valid or test (default: test)"),
                    ContainsRegex("--min-context .+\\(default: 0\\)")));
}

TEST(CommandLine, TheVersionSaysWhatResultsDependOn) {
  const CommandResult result = run_program({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_THAT(result.out,
              MatchesRegex("sparse-transformer [0-9.]+\nbuild: [A-Za-z]+\ncuda: (yes|no)(.|\n)+"
                           "instructions: .+\nlibtorch: 2\\.[0-9.]+\n(.|\n)+"));
}

TEST(CommandLine, AnUnknownCommandGetsTheNearest) {
  expect_refused({"cofnig"}, "unknown command 'cofnig' (did you mean 'config'?)");
  expect_refused({"-q", "cofnig"}, "unknown command 'cofnig'");
  expect_refused({"xyzzy"}, "unknown command 'xyzzy'; see sparse-transformer --help");
}

TEST(CommandLine, AnUnknownOptionGetsTheNearest) {
  expect_refused({"config", "--refrence"},
                 "unknown option --refrence (did you mean '--reference'?)");
  expect_refused({"config", "-set", "a=1"}, "unknown option -set (did you mean '--set'?)");
  expect_refused({"config", "-qz"}, "unknown option -qz");
  expect_refused({"--verison"}, "unknown option --verison (did you mean '--version'?)");
}

// CLI11 alone would take 3 for a CONFIG and say that there is no file of that name.
TEST(CommandLine, TheValueOfAnUnknownOptionIsNotTakenForAConfig) {
  expect_refused({"config", "--sett=data.sequence=3"},
                 "unknown option --sett (did you mean '--set'?)");
  expect_refused({"config", "--steps", "3"}, "unknown option --steps");
}

TEST(CommandLine, AnUnknownOptionNamedAsASettingIsPointedToSet) {
  expect_refused({"train", "--steps", "3"},
                 "train: unknown option --steps; it is a setting: --set training.steps=3");
  expect_refused({"train", "a.yaml", "--steps=3"}, "--set training.steps=3");
  expect_refused({"train", "--training.learning-rate", "--resume"},
                 "--set training.learning_rate=VALUE");
  expect_refused({"train", "--layers", "3"},
                 "--set model.layers=3 or --set model.attention.layers=3");
  expect_refused({"train", "---"}, "unknown option ---");
  expect_refused({"train", "--resum"}, "unknown option --resum (did you mean '--resume'?)");
}

TEST(CommandLine, AWrongValueIsRefusedInOurWords) {
  expect_refused({"evaluate", "a", "--split", "vaild"},
                 "--split: got 'vaild', expected train, valid or test (did you mean 'valid'?)");
  expect_refused({"evaluate", "a", "--min-context", "0,many"},
                 "--min-context: got 'many', expected a whole number");
  const std::vector<std::string> sample = {"sample", "a", "--out", "x.txt"};
  for (const std::string option :
       {"--seed", "--count", "--batch", "--length", "--top-k", "--prime-length"}) {
    std::vector<std::string> arguments = sample;
    arguments.insert(arguments.end(), {option, "1.5"});
    expect_refused(arguments, option + ": got '1.5', expected a whole number");
  }
  for (const std::string option : {"--temperature", "--top-p"}) {
    std::vector<std::string> arguments = sample;
    arguments.insert(arguments.end(), {option, "hot"});
    expect_refused(arguments, option + ": got 'hot', expected a number");
  }
  expect_refused({"sample", "a", "--out", "x.txt", "-n", "few"}, "--count: got 'few'");
  expect_refused({"pattern", "a.yaml", "--layer", "top"}, "--layer: got 'top'");
  expect_refused({"config", "--progress", "line"}, "(did you mean 'lines'?)");
}

TEST(CommandLine, AnOptionWithoutItsValueIsRefused) {
  expect_refused({"config", "--set"}, "--set: nothing is given, expected KEY=VALUE");
  expect_refused({"--color"}, "--color: nothing is given, expected WHEN");
  expect_refused({"config", "--reference", "--color", "sometimes"},
                 "--color: got 'sometimes', expected auto, always or never");
}

TEST(CommandLine, OptionsOfEveryCommandMayStandBeforeOrBehindIt) {
  for (const std::string line :
       {"--progress none config --reference", "config --reference --progress=none",
        "-qv config --reference", "--color never config -q --reference"}) {
    EXPECT_EQ(run_shell("\"$PROGRAM\" " + line).exit_code, 0) << line;
  }
}

TEST(CommandLine, ErrorsAreColouredOnlyWhereThatIsWanted) {
  const std::string red = "\033[1;31merror:\033[0m ";
  EXPECT_THAT(run_program({"x"}).err, StartsWith("error: "));
  EXPECT_THAT(run_program({"x"}, {.environment = {{"FORCE_COLOR", "1"}}}).err, StartsWith(red));
  EXPECT_THAT(run_program({"x"}, {.environment = {{"FORCE_COLOR", "1"}, {"NO_COLOR", "1"}}}).err,
              StartsWith("error: "));
  EXPECT_THAT(run_program({"config", "none.yaml", "--color", "always"}).err, StartsWith(red));
}

TEST(CommandLine, AReaderThatHasGoneEndsItQuietly) {
  const CommandResult result =
      run_shell("{ sleep 0.2; \"$PROGRAM\" config --reference; echo $? >&2; } | true");
  EXPECT_EQ(result.err, "141\n");
}

TEST(CommandLine, AFullDiskUnderStdoutIsReported) {
  const CommandResult result = run_shell("\"$PROGRAM\" config --reference > /dev/full");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "error: standard output: cannot write: No space left on device\n");
}

}  // namespace
}  // namespace sparse_transformer
