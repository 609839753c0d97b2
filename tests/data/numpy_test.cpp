#include "data/numpy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "config/errors.h"
#include "tests/data/all_tokens.h"
#include "tests/files/archive_file.h"
#include "tests/files/numpy_file.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

Bytes counting(std::size_t size, int first = 0) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), static_cast<std::uint8_t>(first));
  return bytes;
}

std::string array_file(const std::string& shape, const Bytes& elements,
                       const std::string& type = "|u1", const std::string& fortran = "False") {
  const auto file = numpy_file(
      "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }",
      elements);
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

/// Two pictures of 2 x 3, tokens 0 … 35, and the same plane by plane.
const Bytes kPixels = counting(36);
const Bytes kPlanes = {0,  3,  6,  9,  12, 15, 1,  4,  7,  10, 13, 16, 2,  5,  8,  11, 14, 17,
                       18, 21, 24, 27, 30, 33, 19, 22, 25, 28, 31, 34, 20, 23, 26, 29, 32, 35};

class NumpyTest : public testing::Test {
 protected:
  NumpyTest() {
    settings.source = DataSource::kNumpy;
    settings.path = {folder.path().string()};
    settings.shape = {2, 3, 3};
    settings.split.valid = 0.0;
    settings.split.test = 0.0;
  }
  Bytes train() const { return all_tokens(*open_data(settings).train); }
  void write_npz(const std::string& name, const Entries& entries) {
    write_archive(folder / name, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, entries);
  }

  TemporaryFolder folder;
  DataSettings settings;
};

TEST_F(NumpyTest, EachShapeOfPictures) {
  for (const char* shape : {"(2, 18)", "(2, 2, 3, 3)"}) {
    folder.write_text("a.npy", array_file(shape, kPixels));
    const DataSet data = open_data(settings);
    EXPECT_EQ(data.item_size, 18);
    EXPECT_EQ(data.format.shape, settings.shape);
    EXPECT_EQ(all_tokens(*data.train), kPixels) << shape;
  }
  folder.write_text("a.npy", array_file("(2, 3, 2, 3)", kPlanes));
  EXPECT_EQ(train(), kPixels);
}

TEST_F(NumpyTest, GreyPicturesMayLackTheirChannel) {
  settings.shape = {6, 3, 1};
  for (const char* shape : {"(2, 6, 3)", "(2, 6, 3, 1)", "(2, 1, 6, 3)", "(2, 18)"}) {
    folder.write_text("a.npy", array_file(shape, kPixels));
    EXPECT_EQ(train(), kPixels) << shape;
  }
}

TEST_F(NumpyTest, WhereBothLayoutsFitItIsPixelByPixel) {
  settings.shape = {3, 3, 3};
  folder.write_text("a.npy", array_file("(1, 3, 3, 3)", counting(27)));
  EXPECT_EQ(train(), counting(27));
}

TEST_F(NumpyTest, RowsAreAsTheSettingSays) {
  folder.write_text("a.npy", array_file("(2, 18)", kPlanes));
  settings.numpy.layout = NumpyLayout::kPlanar;
  EXPECT_EQ(train(), kPixels);
  settings.numpy.layout = NumpyLayout::kInterleaved;
  EXPECT_EQ(train(), kPlanes);
}

// As ImageNet-32 and -64 are distributed.
TEST_F(NumpyTest, BatchesWithLabelsArePlanar) {
  const std::string labels = array_file("(2,)", Bytes(16), "<i8");
  const std::string mean = array_file("(18,)", Bytes(18 * 8), "<f8");
  write_npz(
      "train_data_batch_1.npz",
      {{"data.npy", array_file("(2, 18)", kPlanes)}, {"labels.npy", labels}, {"mean.npy", mean}});
  write_npz(
      "train_data_batch_2.npz",
      {{"data.npy", array_file("(2, 18)", kPlanes)}, {"labels.npy", labels}, {"mean.npy", mean}});
  Bytes twice = kPixels;
  twice.insert(twice.end(), kPixels.begin(), kPixels.end());
  EXPECT_EQ(train(), twice);
  settings.numpy.layout = NumpyLayout::kInterleaved;
  EXPECT_EQ(train().size(), twice.size());
  EXPECT_NE(train(), twice);
}

TEST_F(NumpyTest, TheOnlyArrayThatFitsIsTaken) {
  write_npz("a.npz", {{"pictures.npy", array_file("(2, 18)", kPixels)},
                      {"thumbs.npy", array_file("(2, 9)", counting(18))},
                      {"labels.npy", array_file("(2,)", counting(2))},
                      {"notes.txt", "not an array"}});
  EXPECT_EQ(train(), kPixels);
  write_npz("a.npz", {{"x_train.npy", array_file("(2, 18)", kPixels)},
                      {"x_test.npy", array_file("(1, 18)", counting(18))}});
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<UserError>(HasSubstr("a.npz: x_test and x_train both fit")));
}

TEST_F(NumpyTest, WhatDoesNotFitIsNamed) {
  const auto expect_refused = [&](const std::string& file, const std::string& reason) {
    folder.write_text("a.npy", file);
    EXPECT_THAT([&] { open_data(settings); },
                ThrowsMessage<UserError>(AllOf(HasSubstr("a.npy"), HasSubstr(reason))));
  };
  expect_refused(array_file("(2, 17)", counting(34)), "uint8 [2, 17]; expected uint8 [N, 18]");
  expect_refused(array_file("(36,)", kPixels), "uint8 [36]");
  expect_refused(array_file("()", {1}), "uint8 []");
  expect_refused(array_file("(2, 18)", Bytes(144), "<f4"), "<f4 [2, 18]");
  expect_refused(array_file("(2, 18)", kPixels, "|u1", "True"), "Fortran order");
  expect_refused(array_file("(0, 18)", {}), "no pictures");
  expect_refused(array_file("(2, 18)", counting(35)), "cut off");
  expect_refused("", "empty");
  write_npz("a.npy", {{"b.npz", "PK\x03\x04 and more"}});
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<UserError>(HasSubstr("an archive within an archive")));
}

TEST_F(NumpyTest, DamagedFilesAreSkippedOrStopIt) {
  folder.write_text("good.npy", array_file("(2, 18)", kPixels));
  folder.write_text("README", "arrays of pictures");
  folder.write_text("cut.npy", array_file("(2, 18)", kPixels).substr(0, 100));
  const DataSet data = open_data(settings);
  EXPECT_EQ(all_tokens(*data.train), kPixels);
  ASSERT_THAT(data.skipped, SizeIs(2));
  EXPECT_THAT(data.skipped[0].reason, HasSubstr("README: not a NumPy file"));
  EXPECT_THAT(data.skipped[1].reason, HasSubstr("cut.npy"));
  settings.damaged = DamagedFiles::kStop;
  EXPECT_THROW(open_data(settings), UserError);
}

TEST_F(NumpyTest, TheShapeIsRequired) {
  folder.write_text("good.npy", array_file("(2, 18)", kPixels));
  settings.shape = {};
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<SettingError>(HasSubstr("data.shape: missing")));
}

TEST_F(NumpyTest, SplitsAreOfTheContentWhateverTheLayout) {
  settings.split.valid = 0.3;
  Bytes pixels(100 * 18);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<std::uint8_t>(i * 7 + i / 18);
  }
  Bytes planes(pixels.size());
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::size_t in_picture = i % 18;
    planes[i - in_picture + in_picture % 3 * 6 + in_picture / 3] = pixels[i];
  }
  folder.write_text("a.npy", array_file("(100, 18)", pixels));
  settings.path = {(folder / "a.npy").string()};
  const DataSet by_pixel = open_data(settings);
  settings.path = {folder.write_text("b.npy", array_file("(100, 3, 2, 3)", planes))};
  const DataSet by_plane = open_data(settings);
  EXPECT_GT(by_pixel.valid->size(), 0);
  EXPECT_EQ(by_pixel.train->size() + by_pixel.valid->size(), 1800);
  EXPECT_EQ(all_tokens(*by_pixel.valid), all_tokens(*by_plane.valid));
  EXPECT_EQ(all_tokens(*by_pixel.train), all_tokens(*by_plane.train));

  settings.split.valid =
      std::vector<std::string>{folder.write_text("valid/v.npy", array_file("(2, 18)", kPixels))};
  const DataSet own = open_data(settings);
  EXPECT_EQ(all_tokens(*own.valid), kPixels);
  EXPECT_EQ(own.train->size(), 1800);
}

}  // namespace
}  // namespace sparse_transformer
