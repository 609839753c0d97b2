#include "generation/output_file.h"

#include <gtest/gtest.h>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

TEST(PictureOutput, IsWrittenOnlyWhereItMayBe) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder / "a.png";
  EXPECT_NO_THROW(check_picture_output(file, false));
  write_picture(file, {.width = 1, .height = 1, .channels = 3, .pixels = {1, 2, 3}});
  EXPECT_EQ(read_file(file).substr(1, 3), "PNG");
  EXPECT_THROW(check_picture_output(file, false), UserError);
  EXPECT_NO_THROW(check_picture_output(file, true));
  EXPECT_THROW(check_picture_output(folder / "a.jpg", false), UserError);
  EXPECT_THROW(check_picture_output(folder / "none/a.png", false), UserError);
  std::filesystem::create_directory(folder / "b.png");
  EXPECT_THROW(check_picture_output(folder / "b.png", true), UserError);
}

TEST(IsWithin, FollowsLinksAndComparesWholeNames) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a/b");
  std::filesystem::create_directory_symlink("a/b", folder / "link");
  EXPECT_TRUE(is_within(folder / "a", folder / "a"));
  EXPECT_TRUE(is_within(folder / "a/", folder / "a"));
  EXPECT_TRUE(is_within(folder / "a", folder / "a/"));
  EXPECT_TRUE(is_within(folder / "a/b/not/there", folder / "a"));
  EXPECT_TRUE(is_within(folder / "link/x", folder / "a"));
  EXPECT_TRUE(is_within(folder / "a/b/x", folder / "link"));
  EXPECT_TRUE(is_within(folder / "a/../a/x", folder / "a"));
  EXPECT_TRUE(is_within("not/there/yet", "."));
  EXPECT_FALSE(is_within(folder / "a", folder / "a/b"));
  EXPECT_FALSE(is_within(folder / "ab", folder / "a"));
  EXPECT_FALSE(is_within(folder / "a/../c", folder / "a"));
}

TEST(CheckIsNoInput, NamesBoth) {
  const TemporaryFolder folder;
  write_file(folder / "in", "");
  EXPECT_NO_THROW(check_are_no_inputs({folder / "out"}, {folder / "in"}));
  EXPECT_THROW(check_are_no_inputs({folder / "in"}, {folder / "other", folder / "in"}), UserError);
  EXPECT_THROW(check_are_no_inputs({folder / "in"}, {folder.path()}), UserError);
}

}  // namespace
}  // namespace sparse_transformer
