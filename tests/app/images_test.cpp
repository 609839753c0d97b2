#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/crc.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "config/characters.h"
#include "files/png.h"
#include "tests/app/tiny_runs.h"
#include "tests/files/archive_file.h"
#include "tests/files/picture_files.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// A PNG whose header was changed, with the checksum of what it says now.
std::string sealed(std::string png) {
  constexpr std::size_t kBegin = 12, kLength = 4 + 13;  // the type and content of the first chunk
  boost::crc_32_type crc;
  crc.process_bytes(png.data() + kBegin, kLength);
  for (std::size_t i = 0; i < 4; ++i) {
    png[kBegin + kLength + i] = static_cast<char>(crc.checksum() >> (24 - 8 * i));
  }
  return png;
}

/// A folder of pictures as a user has it, and a model of pictures of 4 x 6.
class Images : public TinyRuns {
 protected:
  Images() {
    for (int i = 0; i < 40; ++i) {
      const Image image = smooth_image(10 + i, 50 - i, i % 3 == 0 ? 1 : 3);
      const bool is_png = i % 2 == 0;
      const auto file = is_png ? encode_png(image, {}) : make_jpeg({.image = image});
      write((is_png ? "photos/old/" : "photos/") + std::to_string(i) + (is_png ? ".png" : ".jpg"),
            {reinterpret_cast<const char*>(file.data()), file.size()});
    }
    write("photos/README.txt", "where they were taken");
    write("photos.yaml",
          "base: tiny.yaml\n"
          "data: {source: images, path: photos, sequence: null, shape: [4, 6, 3],\n"
          "       split: {valid: 5, test: 5}}\n"
          "model: {attention: {stride: 18}}\n");
  }
};

#ifdef SPARSE_TRANSFORMER_FAIL_CALLS  // a sanitizer takes more memory than the limit
// ImageNet of 64 x 64 pixels comes so, 1.28 million of them. These are 246 MB once they are
// decoded.
TEST_F(Images, APackOfATarOfManyIsMadeAndReadInLessMemoryThanItsSize) {
  Entries entries;
  for (int i = 0; i < 20'000; ++i) {
    Image image = {.width = 64, .height = 64, .channels = 3, .pixels = {}};
    image.pixels.assign(64 * 64 * 3, static_cast<std::uint8_t>(i));
    image.pixels[0] = static_cast<std::uint8_t>(i / 256);  // no two are equal
    const auto png = encode_png(image, {});
    entries.emplace_back("train_64x64/" + std::to_string(i) + ".png",
                         std::string(reinterpret_cast<const char*>(png.data()), png.size()));
  }
  write_archive(folder() / "train_64x64.tar", ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE,
                entries);
  const std::string limited = "ulimit -d 150000 && OMP_NUM_THREADS=2 \"$PROGRAM\" ";  // KiB
  const CommandResult prepared = sh(limited +
                                    "prepare photos.yaml --set data.path=train_64x64.tar "
                                    "--set data.shape=[64,64,3] --out pack.safetensors");
  ASSERT_EQ(prepared.exit_code, 0) << prepared.err;
  EXPECT_THAT(prepared.out, HasSubstr("train  19,990  245,637,120"));
  const CommandResult trained = sh(limited +
                                   "train photos.yaml --set data.source=packed "
                                   "--set data.path=pack.safetensors --set data.shape=[64,64,3] "
                                   "--set data.split={} --set training.steps=1 --set "
                                   "training.batch=1 --set training.micro_batch=1 --run album");
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
}
#endif

TEST_F(Images, AFolderOfPicturesTrainsAndGivesPictures) {
  const CommandResult trained = run("train photos.yaml --run album");
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("README.txt: not a picture"));
  const CommandResult sampled = run("sample album --out grid.png --count 4 --prime photos/11.jpg");
  EXPECT_NE(sampled.exit_code, 0);
  EXPECT_THAT(sampled.err, HasSubstr("expected [4, 6, 3]"));
  ASSERT_EQ(run("sample album --out one.png").exit_code, 0);
  const std::string one = read("one.png");
  const Image picture = decode_png(std::as_bytes(std::span(one)), "one.png");
  EXPECT_EQ(picture.width, 6);
  EXPECT_EQ(picture.height, 4);
  EXPECT_EQ(run("sample album --out grid.png --count 4 --prime one.png").exit_code, 0);
}

TEST_F(Images, PreparedOnceTheyTrainTheSameModel) {
  ASSERT_EQ(run("prepare photos.yaml --out packed.safetensors").exit_code, 0);
  ASSERT_EQ(run("train photos.yaml --run in-place").exit_code, 0);
  const CommandResult packed = run(
      "train photos.yaml --run packed --set data.source=packed --set data.path=packed.safetensors"
      " --set data.split={}");
  ASSERT_EQ(packed.exit_code, 0) << packed.err;
  EXPECT_TRUE(tensor_bytes(checkpoint_of(folder() / "packed", 8) / "model.safetensors") ==
              tensor_bytes(checkpoint_of(folder() / "in-place", 8) / "model.safetensors"));
}

TEST_F(Images, EachBadFileHasItsLineAndStopsOrIsSkipped) {
  const std::string photo = read("photos/old/0.png");
  const std::string side = {'\0', '\0', '\xea', '\x60'};  // 60,000
  const std::string huge = std::string(photo).replace(16, 8, side + side);
  const std::string nought = std::string(photo).replace(16, 8, 8, '\0');
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"cut.png", photo.substr(0, photo.size() - 13)},
      {"magic.png", "no picture"},
      {"zero.png", ""},
      {"huge.png", sealed(huge)},
      {"nought.png", sealed(nought)},
      {"na\xffme.png", photo.substr(0, 20)}};
  for (const auto& [name, content] : bad) write("bad/" + name, content);
  fs::create_symlink("b.png", folder() / "bad/a.png");
  fs::create_symlink("a.png", folder() / "bad/b.png");
  fs::create_symlink("gone", folder() / "bad/broken.png");
  write("bad/x.png/fine.png", photo);
  fs::create_directory_symlink(".", folder() / "bad/x.png/again");
  const std::string with =
      " photos.yaml --set data.split.valid=0 --set data.split.test=0 --set data.path=";
  const CommandResult result = run("prepare" + with + "bad --out all.safetensors");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\ntrain      1 "));
  for (const char* reason :
       {"cut.png is not a whole PNG: it is cut off", "magic.png: not a picture", "zero.png: empty",
        "huge.png: a picture of 60000 x 60000 pixels", "nought.png is not a whole PNG",
        "na\\xffme.png is not a whole PNG: it is cut off",
        "a.png: Too many levels of symbolic links", "b.png: Too many levels",
        "broken.png: there is no such file"}) {
    EXPECT_THAT(result.out, HasSubstr(reason));
  }
  EXPECT_EQ(lines_of(result.out).size(), 5U + bad.size() + 3U) << result.out;
  for (const auto& [name, content] : bad) {
    expect_refused("train" + with + "bad/" + name + " --run x --set data.damaged=stop",
                   {printable(name)});
  }
  EXPECT_FALSE(exists("x"));
}

TEST_F(Images, WhatIsWrongIsSaidInOneLine) {
  expect_refused("train photos.yaml --dry-run --set data.shape=[]", {"data.shape: missing"});
  expect_refused("train photos.yaml --run x --set data.damaged=stop",
                 {"README.txt: not a picture; expected PNG or JPEG"});
  EXPECT_FALSE(exists("x"));
}

}  // namespace
}  // namespace sparse_transformer
