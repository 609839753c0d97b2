#include "training/run_lock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const fs::path& folder) {
  try {
    const RunLock lock(folder);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(RunLock, TheSecondIsToldWhoHasTheRun) {
  const TemporaryFolder folder;
  {
    const RunLock lock(folder / "run");
    EXPECT_THAT(refusal(folder / "run"),
                AllOf(HasSubstr((folder / "run").string()),
                      HasSubstr("process " + std::to_string(::getpid()) + " on " + host_name())));
  }
  EXPECT_EQ(refusal(folder / "run"), "");
}

TEST(RunLock, ADeadProcessHasNoLock) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const RunLock lock(folder / "run");
    folder.write_text("run/config.yaml", "");
    ::_exit(0);  // no destructor runs, as after SIGKILL
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_THAT(read_file(folder / "run/lock"), HasSubstr("process " + std::to_string(child)));
  const RunLock lock(folder / "run");
  EXPECT_THAT(read_file(folder / "run/lock"), HasSubstr("process " + std::to_string(::getpid())));
}

TEST(RunLock, IsNotInheritedByOtherPrograms) {
  const TemporaryFolder folder;
  const RunLock lock(folder / "run");
  const std::string descriptors = "/proc/self/fd";
  for (const auto& entry : fs::directory_iterator(descriptors)) {
    std::error_code closed;
    if (fs::read_symlink(entry.path(), closed) != folder / "run/lock") continue;
    const int number = std::stoi(entry.path().filename());
    EXPECT_TRUE(::fcntl(number, F_GETFD) & FD_CLOEXEC);
    return;
  }
  ADD_FAILURE() << "the lock is not open";
}

TEST(RunLock, WhereNoRunBeganNothingRemains) {
  const TemporaryFolder folder;
  { const RunLock lock(folder / "runs/a"); }
  EXPECT_FALSE(fs::exists(folder / "runs"));
  fs::create_directory(folder / "mine");
  { const RunLock lock(folder / "mine"); }
  EXPECT_TRUE(fs::is_empty(folder / "mine"));
}

TEST(RunLock, WhereOneBeganAllRemains) {
  const TemporaryFolder folder;
  {
    const RunLock lock(folder / "runs/a");
    folder.write_text("runs/a/config.yaml", "");
  }
  EXPECT_TRUE(fs::exists(folder / "runs/a/lock"));
}

// The folders above the run's may be shared with other runs.
TEST(RunLock, KeepsFoldersThatSomebodyElseUses) {
  const TemporaryFolder folder;
  {
    const RunLock one(folder / "runs/a");
    const RunLock two(folder / "runs/b");
    folder.write_text("runs/b/config.yaml", "");
  }
  EXPECT_FALSE(fs::exists(folder / "runs/a"));
  EXPECT_TRUE(fs::exists(folder / "runs/b/config.yaml"));
}

// The lock is emptied and written.
TEST(RunLock, IsARegularFile) {
  const TemporaryFolder folder;
  folder.write_text("victim", "text");
  fs::create_directory(folder / "run");
  const fs::path lock = folder / "run/lock";
  const auto expect_refusal = [&] {
    EXPECT_THAT(refusal(folder / "run"), HasSubstr(lock.string() + " is not a regular file"));
    EXPECT_TRUE(fs::exists(fs::symlink_status(lock)));
    fs::remove(lock);
  };
  fs::create_symlink("../victim", lock);
  expect_refusal();
  EXPECT_EQ(read_file(folder / "victim"), "text");
  fs::create_symlink("../none", lock);
  expect_refusal();
  EXPECT_FALSE(fs::exists(folder / "none"));
  fs::create_symlink("/dev/null", lock);
  expect_refusal();
  fs::create_directory(lock);
  expect_refusal();
  ASSERT_EQ(::mkfifo(lock.c_str(), 0600), 0);
  expect_refusal();
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  ASSERT_LT(lock.string().size(), sizeof address.sun_path);
  lock.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(socket.number(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  expect_refusal();
  EXPECT_EQ(refusal(folder / "run"), "");
}

TEST(RunLock, NamesAFolderThatCannotBe) {
  const TemporaryFolder folder;
  folder.write_text("file", "");
  EXPECT_THAT(refusal(folder / "file"), HasSubstr("file"));
  EXPECT_THAT(refusal(folder / "file/run"), HasSubstr("file/run"));
  fs::create_symlink("nowhere", folder / "link");
  EXPECT_THAT(refusal(folder / "link"), HasSubstr("link"));
}

}  // namespace
}  // namespace sparse_transformer
