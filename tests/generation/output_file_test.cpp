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

}  // namespace
}  // namespace sparse_transformer
