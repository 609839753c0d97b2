#include "files/atomic_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "config/errors.h"
#include "tests/files/expect_error.h"
#include "tests/files/file_size_limit.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

TEST(AtomicFile, final_name_appears_only_at_commit) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  file.write("one ");
  file.write("two");
  EXPECT_FALSE(std::filesystem::exists(folder / "a"));
  EXPECT_THAT(names_in(folder.path()),
              ElementsAre(".tmp-sparse-transformer-0-" + std::to_string(::getpid())));
  file.commit();
  EXPECT_EQ(read_file(folder / "a"), "one two");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(AtomicFile, nothing_remains_without_commit) {
  const TemporaryFolder folder;
  write_file(folder / "a", "before");
  { AtomicFile(folder / "a").write("half"); }
  EXPECT_EQ(read_file(folder / "a"), "before");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(AtomicFile, full_disk_is_the_worlds_error_and_keeps_the_old_file) {
  const TemporaryFolder folder;
  write_file(folder / "a", "before");
  const std::string message = message_of<WorldError>([&] {
    const FileSizeLimit limit(1000);
    write_file(folder / "a", std::string(2000, 'x'));
  });
  EXPECT_THAT(message, AllOf(HasSubstr((folder / "a").string()), HasSubstr("larger")));
  EXPECT_EQ(read_file(folder / "a"), "before");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(AtomicFile, faults_of_the_path_are_the_users) {
  const TemporaryFolder folder;
  write_file(folder / "file", "");
  EXPECT_THAT(message_of<UserError>([&] { AtomicFile(folder / "none/a"); }),
              AllOf(HasSubstr("none/a"), HasSubstr("no such file or folder")));
  EXPECT_THAT(message_of<UserError>([&] { AtomicFile(folder / "file/a"); }), HasSubstr("file/a"));
  EXPECT_THAT(message_of<UserError>([&] { AtomicFile(folder.path()); }), HasSubstr("is a folder"));
  EXPECT_THAT(message_of<UserError>([&] { AtomicFile("/dev/null"); }),
              HasSubstr("not a regular file"));
}

TEST(ReadFile, refuses_what_is_no_regular_file_and_what_is_too_large) {
  const TemporaryFolder folder;
  ::mkfifo((folder / "pipe").c_str(), 0600);
  const auto refusal = [](const std::filesystem::path& path, std::size_t most) {
    return message_of<UserError>([&] { read_file(path, most); });
  };
  EXPECT_THAT(refusal(folder / "pipe", 10), HasSubstr("pipe is not a regular file"));
  EXPECT_THAT(refusal("/dev/zero", 10), HasSubstr("/dev/zero is not a regular file"));
  EXPECT_THAT(refusal(folder.path(), 10), HasSubstr("is a folder"));
  write_file(folder / "a", std::string((1 << 20) + 1, 'x'));
  EXPECT_THAT(refusal(folder / "a", 1 << 20), HasSubstr("a has more than 1 MiB"));
  EXPECT_EQ(read_file(folder / "a", (1 << 20) + 1).size(), (1 << 20) + 1);
}

TEST(AtomicFile, folder_without_permission_is_the_users_error) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const TemporaryFolder folder;
  ::chmod(folder.path().c_str(), 0500);
  EXPECT_THAT(message_of<UserError>([&] { AtomicFile(folder / "a"); }),
              HasSubstr("permission denied"));
  ::chmod(folder.path().c_str(), 0700);
}

TEST(AtomicFile, writes_names_as_long_as_the_file_system_allows) {
  const TemporaryFolder folder;
  const std::string name(255, 'n');
  write_file(folder / name, "long");
  EXPECT_EQ(read_file(folder / name), "long");
}

TEST(AtomicFile, several_in_a_folder_at_once) {
  const TemporaryFolder folder;
  AtomicFile one(folder / "one");
  AtomicFile two(folder / "two");
  one.write("1");
  two.write("2");
  two.commit();
  one.commit();
  EXPECT_EQ(read_file(folder / "one") + read_file(folder / "two"), "12");
}

TEST(AtomicFile, writes_into_the_current_folder) {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file("a", "here");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(folder / "a"), "here");
}

TEST(ReadFile, reads_more_than_one_buffer_and_nothing) {
  const TemporaryFolder folder;
  const std::string text(200'000, 'x');
  write_file(folder / "long", text);
  write_file(folder / "empty", "");
  EXPECT_EQ(read_file(folder / "long"), text);
  EXPECT_THAT(read_file(folder / "empty"), IsEmpty());
}

TEST(ReadFile, names_what_it_cannot_read) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of<UserError>([&] { read_file(folder / "none"); }), HasSubstr("none"));
  EXPECT_THAT(message_of<UserError>([&] { read_file(folder.path()); }),
              HasSubstr(folder.path().string()));
}

}  // namespace
}  // namespace sparse_transformer
