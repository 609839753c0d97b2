#include "training/contact_sheet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "files/atomic_file.h"
#include "files/mapped_file.h"
#include "files/png.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

class ContactSheet : public testing::Test {
 protected:
  ContactSheet() { fs::create_directory(folder_.path() / "samples"); }

  /// A grey picture of one shade as the samples of a step.
  void put(std::int64_t step, std::uint8_t shade, std::int64_t width, std::int64_t height) const {
    Image image = black_image(width, height, 1);
    std::fill(image.pixels.begin(), image.pixels.end(), shade);
    write_file(run_.samples(step, ".png"), encode_png(image, {}));
  }

  Image sheet() const {
    write_contact_sheet(run_);
    const fs::path path = folder_.path() / "samples" / "steps.png";
    return decode_png(MappedFile(path).bytes(), path.string());
  }

  TemporaryFolder folder_;
  RunFolder run_{folder_.path()};
};

/// The first channel in the middle of a cell of the sheet.
int shade_at(const Image& sheet, std::int64_t x, std::int64_t y) {
  return sheet.pixels[static_cast<std::size_t>((y * sheet.width + x) * sheet.channels)];
}

TEST_F(ContactSheet, GoesByStepFromLeftToRightAndDown) {
  for (int i = 0; i < 4; ++i) put(10 * (i + 1), static_cast<std::uint8_t>(40 * i), 84, 84);
  const Image image = sheet();
  EXPECT_EQ(image.width, 200);
  EXPECT_EQ(image.height, 200);
  EXPECT_EQ(shade_at(image, 50, 50), 0);
  EXPECT_EQ(shade_at(image, 150, 50), 40);
  EXPECT_EQ(shade_at(image, 50, 150), 80);
  EXPECT_EQ(shade_at(image, 150, 150), 120);
  EXPECT_EQ(shade_at(image, 100, 100), 255);
}

TEST_F(ContactSheet, WidePicturesLieBelowEachOther) {
  for (const int step : {1, 2, 3}) put(step, 0, 284, 84);
  const Image image = sheet();
  EXPECT_EQ(image.width, 300);
  EXPECT_EQ(image.height, 300);
}

TEST_F(ContactSheet, OfManyStepsTwelve) {
  for (int step = 1; step <= 40; ++step) put(step, 0, 84, 84);
  const Image image = sheet();
  EXPECT_EQ(image.width * image.height, 12 * 100 * 100);
}

TEST_F(ContactSheet, WhatIsGoneOrDamagedIsLeftOut) {
  put(1, 0, 84, 84);
  folder_.write_text("samples/step-00000002.png", "no picture");
  folder_.write_text("samples/step-00000003.wav", "a step without a picture");
  EXPECT_EQ(sheet().width, 100);
}

TEST_F(ContactSheet, NothingIsWrittenOfNothing) {
  write_contact_sheet(run_);
  EXPECT_FALSE(fs::exists(folder_.path() / "samples" / "steps.png"));
}

}  // namespace
}  // namespace sparse_transformer
