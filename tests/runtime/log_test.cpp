#include "runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    start_log(Verbosity::kNormal, ColorMode::kNever);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string logged() const {
    std::ostringstream text;
    text << std::ifstream(file_).rdbuf();
    return text.str();
  }

  // What one line of each level leaves on stderr.
  static std::string stderr_of_all_levels() {
    testing::internal::CaptureStderr();
    log_detail("detail");
    log_info("news");
    log_warning("careful");
    log_error("wrong");
    return testing::internal::GetCapturedStderr();
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("log_test." + std::to_string(::getpid()));
  std::filesystem::path file_ = folder_ / "log.txt";
};

TEST_F(LogTest, VerbosityChoosesWhatStderrShows) {
  EXPECT_EQ(stderr_of_all_levels(), "news\nwarning: careful\nerror: wrong\n");
  start_log(Verbosity::kQuiet, ColorMode::kNever);
  EXPECT_EQ(stderr_of_all_levels(), "warning: careful\nerror: wrong\n");
  start_log(Verbosity::kVerbose, ColorMode::kNever);
  EXPECT_EQ(stderr_of_all_levels(), "detail\nnews\nwarning: careful\nerror: wrong\n");
}

TEST_F(LogTest, ColoursOnlyTheWordOfTheLevel) {
  start_log(Verbosity::kQuiet, ColorMode::kAlways);
  EXPECT_EQ(stderr_of_all_levels(),
            "\033[1;33mwarning:\033[0m careful\n\033[1;31merror:\033[0m wrong\n");
}

TEST_F(LogTest, TheFileTakesNewsWhateverTheTerminalShowsAndNoColour) {
  start_log(Verbosity::kQuiet, ColorMode::kAlways);
  {
    const LogFile file(file_);
    stderr_of_all_levels();
    log_to_file("step 20");
  }
  stderr_of_all_levels();
  EXPECT_THAT(logged(),
              ContainsRegex("^[0-9-]+ [0-9:]+ info: news\n[^\n]+ warning: careful\n[^\n]+ error: "
                            "wrong\n[^\n]+ info: step 20\n$"));
  EXPECT_THAT(logged(), AllOf(Not(HasSubstr("\033")), Not(HasSubstr("detail"))));
}

TEST_F(LogTest, TheFileIsContinuedNotOverwritten) {
  std::ofstream(file_) << "before\n";
  {
    const LogFile file(file_);
    log_to_file("after");
  }
  EXPECT_THAT(logged(), AllOf(HasSubstr("before\n"), HasSubstr("info: after\n")));
}

TEST_F(LogTest, BracesAreOrdinaryText) {
  testing::internal::CaptureStderr();
  log_info("{} {0} %s");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "{} {0} %s\n");
}

// A file's name may hold a line of its own, or a command to the terminal.
TEST_F(LogTest, AMessageIsOneLineWithoutControlCharacters) {
  start_log(Verbosity::kNormal, ColorMode::kAlways);
  const std::string name =
      "a\nerror: forged \x1b]0;owned\x07 \xc2\x9b"
      "31m \xff";
  const std::string shown = R"(a\nerror: forged \x1b]0;owned\x07 \u009b31m \xff)";
  testing::internal::CaptureStderr();
  {
    const LogFile file(file_);
    log_warning(name);
    log_to_file(name);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "\033[1;33mwarning:\033[0m " + shown + "\n");
  EXPECT_THAT(logged(),
              AllOf(HasSubstr("warning: " + shown + "\n"), HasSubstr("info: " + shown + "\n")));
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsTheUsersError) {
  try {
    const LogFile file(folder_);  // a folder
    FAIL() << "no UserError";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr(folder_.string() + ": cannot be opened for writing: Is a directory"));
  }
}

TEST_F(LogTest, AFullDiskIsReportedOnce) {
  const LogFile file("/dev/full");
  testing::internal::CaptureStderr();
  log_to_file("one");
  log_to_file("two");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "warning: /dev/full: the log cannot be written any more\n");
}

}  // namespace
}  // namespace sparse_transformer
