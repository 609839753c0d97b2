#include "runtime/terminal.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

namespace sparse_transformer {
namespace {

// Sets the colour variables to these values alone.
void set_environment(const std::map<std::string, std::string>& values) {
  for (const char* name : {"NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "CLICOLOR", "TERM"}) {
    const auto value = values.find(name);
    if (value == values.end()) {
      ::unsetenv(name);
    } else {
      ::setenv(name, value->second.c_str(), 1);
    }
  }
}

bool colored(const std::map<std::string, std::string>& environment, bool is_terminal,
             ColorMode mode = ColorMode::kAuto) {
  set_environment(environment);
  return wants_color(mode, is_terminal);
}

TEST(Color, FollowsTheTerminalWhereNothingElseIsSaid) {
  EXPECT_TRUE(colored({}, true));
  EXPECT_FALSE(colored({}, false));
  EXPECT_FALSE(colored({{"TERM", "dumb"}}, true));
  EXPECT_FALSE(colored({{"CLICOLOR", "0"}}, true));
}

TEST(Color, CanBeForcedAndNoColorBeatsForce) {
  EXPECT_TRUE(colored({{"CLICOLOR_FORCE", "1"}}, false));
  EXPECT_TRUE(colored({{"FORCE_COLOR", "1"}, {"TERM", "dumb"}, {"CLICOLOR", "0"}}, false));
  EXPECT_FALSE(colored({{"CLICOLOR_FORCE", "0"}, {"FORCE_COLOR", ""}}, false));
  EXPECT_FALSE(colored({{"NO_COLOR", "1"}, {"CLICOLOR_FORCE", "1"}}, true));
  EXPECT_TRUE(colored({{"NO_COLOR", ""}}, true));
}

TEST(Color, TheFlagBeatsTheEnvironment) {
  EXPECT_TRUE(colored({{"NO_COLOR", "1"}}, false, ColorMode::kAlways));
  EXPECT_FALSE(colored({{"FORCE_COLOR", "1"}}, true, ColorMode::kNever));
}

TEST(TerminalWidth, ColumnsBeatsWhatTheTerminalSays) {
  ::setenv("COLUMNS", "123", 1);
  EXPECT_EQ(terminal_width(), 123);
  ::setenv("COLUMNS", "nonsense", 1);
  EXPECT_GT(terminal_width(), 0);
  ::setenv("COLUMNS", "-5", 1);
  EXPECT_GT(terminal_width(), 0);
  ::unsetenv("COLUMNS");
}

TEST(StatusLine, StaysBelowWhatIsPrintedAndIsErasedInTheEnd) {
  testing::internal::CaptureStderr();
  set_status_line("10%");
  print_to_stderr("news\n");
  set_status_line("20%");
  set_status_line("");
  set_status_line("");
  print_to_stderr("the end\n");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "\r\033[K10%\r\033[Knews\n10%\r\033[K20%\r\033[Kthe end\n");
}

TEST(StatusLine, HasNoControlCharacters) {
  testing::internal::CaptureStderr();
  set_status_line("a\x1b[2J\nb");
  set_status_line("");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "\r\033[Ka\\x1b[2J\\nb\r\033[K");
}

}  // namespace
}  // namespace sparse_transformer
