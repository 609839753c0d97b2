#include "files/mapped_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

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
