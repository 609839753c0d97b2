#include "files/append_file.h"

#include <gmock/gmock.h>

#include <string>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/files/expect_error.h"
#include "tests/files/file_size_limit.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;

TEST(AppendFile, AppendsToWhatIsThere) {
  const TemporaryFolder folder;
  folder.write_text("log", "one\n");
  AppendFile file(folder / "log");
  file.append("two\n");
  EXPECT_EQ(read_file(folder / "log"), "one\ntwo\n");
  file.flush();
  AppendFile(folder / "new").append("first\n");
  EXPECT_EQ(read_file(folder / "new"), "first\n");
}

TEST(AppendFile, AFailedAppendIsTakenBackAndTheNextOneIsWhole) {
  const TemporaryFolder folder;
  AppendFile file(folder / "log");
  file.append("one\n");
  const std::string message = message_of<WorldError>([&] {
    const FileSizeLimit limit(6);
    file.append("long line\n");
  });
  EXPECT_THAT(message, HasSubstr((folder / "log").string()));
  EXPECT_EQ(read_file(folder / "log"), "one\n");
  file.append("two\n");
  EXPECT_EQ(read_file(folder / "log"), "one\ntwo\n");
}

TEST(AppendFile, NamesWhatItCannotOpen) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of<UserError>([&] { AppendFile(folder / "none/log"); }),
              HasSubstr("none/log"));
}

}  // namespace
}  // namespace sparse_transformer
