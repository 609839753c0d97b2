#include "files/mapped_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/files/expect_error.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, shows_the_content) {
  const TemporaryFolder folder;
  write_file(folder / "a", "content");
  EXPECT_EQ(text_of(MappedFile(folder / "a")), "content");
}

TEST(MappedFile, empty_file_is_an_empty_span) {
  const TemporaryFolder folder;
  write_file(folder / "a", "");
  EXPECT_TRUE(MappedFile(folder / "a").bytes().empty());
}

TEST(MappedFile, outlives_the_name_and_the_descriptor) {
  const TemporaryFolder folder;
  write_file(folder / "a", "content");
  const int descriptor = ::open((folder / "a").c_str(), O_RDONLY);
  const MappedFile file(descriptor, "a");
  ::close(descriptor);
  std::filesystem::remove(folder / "a");
  EXPECT_EQ(text_of(file), "content");
}

TEST(MappedFile, moves) {
  const TemporaryFolder folder;
  write_file(folder / "a", "a");
  write_file(folder / "b", "b");
  MappedFile a(folder / "a");
  MappedFile b(folder / "b");
  b = std::move(a);
  EXPECT_EQ(text_of(b), "a");
  const MappedFile c(std::move(b));
  EXPECT_EQ(text_of(c), "a");
}

TEST(MappedFile, a_beginning_is_read_without_mapping) {
  const TemporaryFolder folder;
  write_file(folder / "a", "content");
  const auto beginning = [&](std::size_t count) {
    const std::vector<std::byte> bytes = read_beginning(folder / "a", count);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  EXPECT_EQ(beginning(4), "cont");
  EXPECT_EQ(beginning(100), "content");
  EXPECT_THAT(message_of<UserError>([&] { read_beginning(folder / "none", 4); }),
              HasSubstr("none"));
  EXPECT_THAT(message_of<UserError>([&] { read_beginning(folder.path(), 4); }),
              HasSubstr("is a folder"));
}

std::string read_from(const MappedFile& file, std::size_t begin, std::size_t size) {
  std::string text(size, '?');
  file.read(file.bytes().subspan(begin, size), std::as_writable_bytes(std::span(text)));
  return text;
}

std::string parsed(const MappedFile& file) {
  std::string text;
  file.parse([&] { text = text_of(file); });
  return text;
}

TEST(MappedFile, reads_parts) {
  const TemporaryFolder folder;
  write_file(folder / "a", "content");
  const MappedFile file(folder / "a");
  EXPECT_EQ(read_from(file, 0, 7), "content");
  EXPECT_EQ(read_from(file, 3, 2), "te");
  EXPECT_EQ(parsed(file), "content");
}

// Beyond the page that holds the new end, the system sends SIGBUS; within it, it shows zeros.
TEST(MappedFile, tells_of_a_file_that_was_cut_meanwhile) {
  const TemporaryFolder folder;
  for (const std::uintmax_t left : {0, 100, 49'000}) {
    write_file(folder / "a", std::string(50'000, 'x'));
    const MappedFile file(folder / "a");
    std::filesystem::resize_file(folder / "a", left);
    const auto says = testing::AllOf(
        HasSubstr((folder / "a").string() + " was cut while it was in use: it had 50000 bytes"),
        HasSubstr("has " + std::to_string(left)));
    EXPECT_THAT(message_of<UnreadableInput>([&] { read_from(file, 49'990, 10); }), says);
    EXPECT_THAT(message_of<UnreadableInput>([&] { parsed(file); }), says);
    EXPECT_THAT(message_of<UnreadableInput>([&] {
                  file.parse([&] {
                    if (text_of(file).back() != 'x') throw UserError("damaged");
                  });
                }),
                says);
    EXPECT_EQ(read_from(file, 0, left), std::string(left, 'x'));
  }
}

TEST(MappedFile, passes_on_what_parsing_throws) {
  const TemporaryFolder folder;
  write_file(folder / "a", "content");
  const MappedFile file(folder / "a");
  const auto damaged = [&] { file.parse([] { throw UserError("damaged"); }); };
  EXPECT_EQ(message_of<UserError>(damaged), "damaged");
}

// Each thread parses a file of its own, and one of them is cut.
TEST(MappedFile, a_cut_file_disturbs_no_other_thread) {
  const TemporaryFolder folder;
  constexpr std::size_t kFiles = 4;
  std::vector<MappedFile> files;
  for (std::size_t i = 0; i < kFiles; ++i) {
    const auto path = folder / std::to_string(i);
    write_file(path, std::string(1'000'000, 'x'));
    files.emplace_back(path);
  }
  std::filesystem::resize_file(folder / "2", 10);
  std::vector<std::string> faults(kFiles);
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kFiles; ++i) {
      threads.emplace_back([&, i] {
        try {
          for (int round = 0; round < 20; ++round) parsed(files[i]);
        } catch (const UnreadableInput& error) {
          faults[i] = error.what();
        }
      });
    }
  }
  for (std::size_t i = 0; i < kFiles; ++i) EXPECT_EQ(faults[i].empty(), i != 2) << faults[i];
}

void read_lost_page(const std::filesystem::path& path) {
  const MappedFile file(path);
  file.parse([] {});
  std::filesystem::resize_file(path, 0);
  std::_Exit(text_of(file).empty() ? 1 : 0);  // read without parse()
}

TEST(MappedFileDeathTest, other_bus_errors_end_the_process) {
  const TemporaryFolder folder;
  write_file(folder / "a", std::string(10'000, 'x'));
  EXPECT_EXIT(read_lost_page(folder / "a"), testing::KilledBySignal(SIGBUS), "");
}

/// Sets how many files the process may open, until the end of the scope.
class OpenFileLimit {
 public:
  explicit OpenFileLimit(rlim_t count) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit = {.rlim_cur = count, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  OpenFileLimit(const OpenFileLimit&) = delete;
  OpenFileLimit& operator=(const OpenFileLimit&) = delete;
  ~OpenFileLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(MappedFile, more_files_than_a_process_may_open_are_read) {
  const TemporaryFolder folder;
  const OpenFileLimit limit(64);
  std::vector<MappedFile> files;
  for (int i = 0; i < 100; ++i) {
    const auto path = folder / std::to_string(i);
    write_file(path, "content " + std::to_string(i));
    files.emplace_back(path);
  }
  for (int i = 0; i < 100; ++i) {
    const MappedFile& file = files[static_cast<std::size_t>(i)];
    EXPECT_EQ(read_from(file, 0, file.bytes().size()), "content " + std::to_string(i));
  }
  write_file(folder / "99", "content 99");  // another file of this name
  EXPECT_THAT(message_of<UnreadableInput>([&] { read_from(files.back(), 0, 7); }),
              HasSubstr("99 was replaced by another file"));
  std::filesystem::remove(folder / "99");
  EXPECT_THAT(message_of<UnreadableInput>([&] { read_from(files.back(), 0, 7); }),
              HasSubstr("cannot read " + (folder / "99").string()));
}

TEST(MappedFile, names_what_it_cannot_map) {
  const TemporaryFolder folder;
  ::mkfifo((folder / "pipe").c_str(), 0600);
  EXPECT_THAT(message_of<UserError>([&] { MappedFile(folder / "none"); }), HasSubstr("none"));
  EXPECT_THAT(message_of<UserError>([&] { MappedFile(folder.path()); }), HasSubstr("is a folder"));
  EXPECT_THAT(message_of<UserError>([&] { MappedFile(folder / "pipe"); }),
              HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace sparse_transformer
