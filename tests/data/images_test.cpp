#include "data/images.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "config/errors.h"
#include "data/codec.h"
#include "data/packed.h"
#include "files/png.h"
#include "files/resize.h"
#include "tests/data/all_tokens.h"
#include "tests/files/archive_file.h"
#include "tests/files/picture_files.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// One colour all over, so that size and fit do not matter.
Image flat(std::int64_t width, std::int64_t height, std::uint8_t level) {
  Image image = black_image(width, height, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), level);
  return image;
}

class ImagesTest : public testing::Test {
 protected:
  ImagesTest() {
    settings.source = DataSource::kImages;
    settings.path = {folder.path().string()};
    settings.shape = {4, 4, 3};
    settings.split.valid = 0.0;
    settings.split.test = 0.0;
  }
  void write_png(const std::string& name, const Image& image) {
    folder.write_text(name, text_of(encode_png(image, {})));
  }
  Bytes train() const { return all_tokens(*open_data(settings).train); }

  TemporaryFolder folder;
  DataSettings settings;
};

TEST_F(ImagesTest, NestedFoldersOfPngAndJpegInOrder) {
  write_png("cats/b.png", flat(9, 4, 20));
  folder.write_text("cats/a/deep.JPG", text_of(make_jpeg({.image = flat(30, 40, 10)})));
  write_png("dogs.png", flat(4, 7, 30));
  const DataSet data = open_data(settings);
  EXPECT_EQ(data.format.kind, TokenFormat::Kind::kPicture);
  EXPECT_EQ(data.format.shape, settings.shape);
  EXPECT_EQ(data.item_size, 48);
  EXPECT_THAT(data.skipped, IsEmpty());
  const Bytes tokens = all_tokens(*data.train);
  ASSERT_THAT(tokens, SizeIs(3 * 48));
  for (std::size_t i = 0; i < tokens.size(); ++i) EXPECT_EQ(tokens[i], 10 * (i / 48 + 1));
}

TEST_F(ImagesTest, WhatIsOddInPicturesAndArchivesIsTold) {
  const std::string png = text_of(encode_png(flat(4, 4, 20), {}));
  folder.write_text("a.png", png.substr(0, png.size() - 12));  // without IEND
  const auto tar = folder.path() / "b.tar";
  write_archive(tar, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, {{"c.png", png}});
  fs::resize_file(tar, 1024);  // head and content
  for (const char* path : {"", "a.png"}) {
    settings.split.valid = std::vector<std::string>{(folder.path() / path).string()};
    const DataSet data = open_data(settings);
    EXPECT_EQ(data.train->size(), 2 * 48);
    const std::string odd_png =
        (folder.path() / "a.png").string() + ": it is cut off after its pixels";
    const std::string odd_tar =
        tar.string() + ": the mark of its end is missing; it may be cut off";
    if (*path == '\0') {
      EXPECT_THAT(data.warnings, ElementsAre(odd_tar, odd_png, odd_tar, odd_png));
    } else {
      EXPECT_THAT(data.warnings, ElementsAre(odd_tar, odd_png, odd_png));
    }
  }
}

TEST_F(ImagesTest, PixelsOfTheRightSizeComeBackExactly) {
  const Image image = smooth_image(4, 4, 3);
  write_png("a.png", image);
  EXPECT_EQ(train(), image.pixels);
}

TEST_F(ImagesTest, EachFitAndNumberOfChannels) {
  const Image image = smooth_image(12, 8, 3);
  write_png("a.png", image);
  for (const Fit how : {Fit::kCrop, Fit::kPad, Fit::kStretch}) {
    settings.images.fit = how;
    EXPECT_EQ(train(), fit(image, 4, 4, how).pixels);
  }
  settings.shape = {6, 4, 1};  // height, width
  EXPECT_EQ(train(), fit(with_channels(image, 1), 4, 6, Fit::kStretch).pixels);
}

TEST_F(ImagesTest, ArchivesAndListsAreReadToo) {
  const Entries entries = {{"train/1.png", text_of(encode_png(flat(4, 4, 1), {}))},
                           {"train/2.png", text_of(encode_png(flat(4, 4, 2), {}))},
                           {"labels.txt", "cat dog"}};
  write_archive(folder / "a.tar", ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE, entries);
  write_archive(folder / "a.zip", ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, entries);
  write_png("one.png", flat(4, 4, 3));
  settings.path = {(folder / "one.png").string(), (folder / "a.tar").string(),
                   (folder / "a.zip").string()};
  const DataSet data = open_data(settings);
  const Bytes tokens = all_tokens(*data.train);
  ASSERT_THAT(tokens, SizeIs(5 * 48));
  EXPECT_THAT((Bytes{tokens[0], tokens[48], tokens[96], tokens[144], tokens[192]}),
              ElementsAre(3, 1, 2, 1, 2));
  EXPECT_THAT(data.skipped, SizeIs(2));
}

TEST_F(ImagesTest, WhatIsNoPictureOrDamagedIsSkippedWithItsReason) {
  write_png("good.png", flat(4, 4, 1));
  folder.write_text("README", "pictures of cats");
  folder.write_text("empty.png", "");
  const std::string whole = text_of(make_jpeg({.image = smooth_image(40, 40, 3)}));
  folder.write_text("cut.jpg", whole.substr(0, whole.size() / 2));
  fs::create_directories(folder / "folder.png");
  fs::create_symlink("nowhere.png", folder / "link.png");
  const DataSet data = open_data(settings);
  EXPECT_EQ(data.train->size(), 48);
  ASSERT_THAT(data.skipped, SizeIs(4));
  EXPECT_THAT(data.skipped[0].reason, HasSubstr("README: not a picture; expected PNG or JPEG"));
  EXPECT_THAT(data.skipped[1].reason, HasSubstr("cut.jpg is not a whole JPEG"));
  EXPECT_THAT(data.skipped[2].reason, HasSubstr("empty.png: empty"));
  EXPECT_THAT(data.skipped[3].reason, HasSubstr("link.png"));

  settings.damaged = DamagedFiles::kStop;
  EXPECT_THROW(open_data(settings), UserError);
}

TEST_F(ImagesTest, WithoutAPictureItIsRefused) {
  folder.write_text("notes.txt", "nothing to see");
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<UserError>(HasSubstr("notes.txt: not a picture")));
}

TEST_F(ImagesTest, TheShapeIsRequired) {
  write_png("a.png", flat(4, 4, 1));
  settings.shape = {};
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<SettingError>(HasSubstr("data.shape: missing")));
  settings.shape = {4, 4, 2};
  EXPECT_THROW(open_data(settings), SettingError);
}

TEST_F(ImagesTest, SplitsAreOfTheContentOrHavePaths) {
  for (int i = 0; i < 100; ++i) {
    write_png("train/" + std::to_string(i) + ".png", flat(4, 4, static_cast<std::uint8_t>(i)));
  }
  write_png("test/1.png", flat(4, 4, 200));
  settings.path = {(folder / "train").string()};
  settings.split.valid = 0.2;
  settings.split.test = std::vector<std::string>{(folder / "test").string()};
  const DataSet data = open_data(settings);
  EXPECT_EQ(all_tokens(*data.test), flat(4, 4, 200).pixels);
  const Bytes valid = all_tokens(*data.valid);
  EXPECT_EQ(data.train->size() + data.valid->size(), 100 * 48);
  EXPECT_GT(valid.size(), 5 * 48U);

  for (int i = 100; i < 120; ++i) {
    write_png("train/" + std::to_string(i) + ".png", flat(4, 4, static_cast<std::uint8_t>(i)));
  }
  const Bytes more = all_tokens(*open_data(settings).valid);
  const std::set<std::uint8_t> levels(more.begin(), more.end());
  for (const std::uint8_t level : valid) EXPECT_TRUE(levels.contains(level));
}

TEST_F(ImagesTest, PackedIsTheSameAsInPlace) {
  for (int i = 0; i < 20; ++i) {
    write_png("in/" + std::to_string(i) + ".png", smooth_image(5 + i, 30 - i, 3));
  }
  settings.path = {(folder / "in").string()};
  settings.split.valid = 5.0;
  const DataSet data = open_data(settings);
  const std::string path = (folder / "packed.safetensors").string();
  pack_data(data, path, [](std::int64_t, std::int64_t) {});
  DataSettings packed;
  packed.source = DataSource::kPacked;
  packed.path = {path};
  const DataSet again = open_data(packed);
  EXPECT_EQ(again.format, data.format);
  EXPECT_EQ(all_tokens(*again.train), all_tokens(*data.train));
  EXPECT_EQ(all_tokens(*again.valid), all_tokens(*data.valid));
  EXPECT_EQ(again.valid->size(), 5 * data.item_size);
}

TEST_F(ImagesTest, AnyPictureOfTheRightSizePrimes) {
  const TokenFormat format = {.kind = TokenFormat::Kind::kPicture, .shape = {12, 16, 3}};
  const Image image = smooth_image(16, 12, 3);
  const auto prime = [&](const std::vector<std::byte>& file) {
    return read_prime(folder.write_text("prime", text_of(file)), format);
  };
  EXPECT_EQ(prime(encode_png(image, {})), image.pixels);
  const Bytes grey = prime(encode_png(with_channels(image, 1), {}));
  EXPECT_EQ(grey, with_channels(with_channels(image, 1), 3).pixels);
  const Bytes jpeg = prime(make_jpeg({.image = image}));
  EXPECT_LE(largest_difference({16, 12, 3, jpeg}, image), 24);
  EXPECT_THAT(
      [&] { prime(make_jpeg({.image = smooth_image(12, 16, 3)})); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("[16, 12, 3]"), HasSubstr("expected [12, 16, 3]"))));
}

}  // namespace
}  // namespace sparse_transformer
