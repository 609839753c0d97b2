#include "files/error_message.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "config/errors.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

TEST(ErrorMessage, IsOursOrThePathAndTheReason) {
  EXPECT_EQ(error_message(WorldError("the disk is full")), "the disk is full");
  const std::filesystem::path nowhere = TemporaryFolder() / "nowhere";
  try {
    const std::filesystem::directory_iterator none(nowhere);
    FAIL();
  } catch (const std::filesystem::filesystem_error& error) {
    EXPECT_EQ(error_message(error),
              "cannot use " + nowhere.string() + ": there is no such file or folder");
  }
}

}  // namespace
}  // namespace sparse_transformer
