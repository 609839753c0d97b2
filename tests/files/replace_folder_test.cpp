#include "files/replace_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/files/expect_error.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(ReplaceFolder, GivesAFreeName) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "new");
  replace_folder(folder / "new", folder / "name", folder / "aside");
  EXPECT_TRUE(fs::is_directory(folder / "name"));
  EXPECT_FALSE(fs::exists(folder / "new"));
}

TEST(ReplaceFolder, ExchangesTheTwo) {
  const TemporaryFolder folder;
  for (const char* name : {"new", "name"}) {
    fs::create_directory(folder / name);
    folder.write_text(std::string(name) + "/text", name);
  }
  replace_folder(folder / "new", folder / "name", folder / "aside");
  EXPECT_EQ(read_file(folder / "name/text"), "new");
  EXPECT_EQ(read_file(folder / "new/text"), "name");
  EXPECT_FALSE(fs::exists(folder / "aside"));
}

// A checkpoint that was moved to another disk and linked to.
TEST(ReplaceFolder, ReplacesALinkAndNotWhatItPointsTo) {
  const TemporaryFolder folder;
  for (const char* name : {"new", "elsewhere"}) {
    fs::create_directory(folder / name);
    folder.write_text(std::string(name) + "/text", name);
  }
  fs::create_directory_symlink("elsewhere", folder / "name");
  replace_folder(folder / "new", folder / "name", folder / "aside");
  EXPECT_EQ(read_file(folder / "name/text"), "new");
  EXPECT_EQ(read_file(folder / "elsewhere/text"), "elsewhere");
}

TEST(ReplaceFolder, NamesWhatItCannotRename) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of<UserError>(
                  [&] { replace_folder(folder / "none", folder / "name", folder / "aside"); }),
              HasSubstr((folder / "none").string()));
}

}  // namespace
}  // namespace sparse_transformer
