// Real files, where SPARSE_TRANSFORMER_TEST_DATA names a folder that has them: the head of enwik8,
// and of every batch of CIFAR-10.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/data_settings.h"
#include "files/sha256.h"
#include "tests/data/all_tokens.h"

namespace sparse_transformer {
namespace {

class RealData : public testing::Test {
 protected:
  /// Where the test's file or folder is.
  static std::string find(const std::string& name) {
    const char* folder = std::getenv("SPARSE_TRANSFORMER_TEST_DATA");
    return folder == nullptr ? "" : (std::filesystem::path(folder) / name).string();
  }
};

std::string hash_of(const std::vector<std::uint8_t>& tokens) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(tokens)));
  return hash.hex();
}

TEST_F(RealData, Enwik8IsItsBytesAndTheSplitsAreCutInOrder) {
  const std::string path = find("enwik8-head.xz");
  if (path.empty()) GTEST_SKIP() << "SPARSE_TRANSFORMER_TEST_DATA is not set";
  DataSettings settings;
  settings.path = {path};
  const DataSet data = open_data(settings);
  EXPECT_EQ(data.valid->size(), 4154399 / 20);
  EXPECT_EQ(data.test->size(), 4154399 / 20);
  std::vector<std::uint8_t> whole;
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const std::vector<std::uint8_t> tokens = all_tokens(data.split(split));
    whole.insert(whole.end(), tokens.begin(), tokens.end());
  }
  EXPECT_EQ(hash_of(whole), "d502ac7ecb9dd47a062e7d19b8dcd3c753b07c142e48b13dcd521cb747116bdd");
}

TEST_F(RealData, Cifar10HasItsPicturesAndNeighbouringPixelsAreAlike) {
  const std::string path = find("cifar10-head");
  if (path.empty()) GTEST_SKIP() << "SPARSE_TRANSFORMER_TEST_DATA is not set";
  DataSettings settings;
  settings.source = DataSource::kCifar10;
  settings.path = {path};
  const DataSet data = open_data(settings);
  constexpr std::int64_t kPicture = 3072;
  EXPECT_EQ(data.train->size() + data.valid->size(), 5 * 932 * kPicture);
  EXPECT_EQ(data.test->size(), 846 * kPicture);

  // With channels interleaved row by row, a byte is nearer to the same channel of the next pixel
  // and of the pixel below than to the byte of another row's middle.
  const std::vector<std::uint8_t> tokens = all_tokens(*data.test);
  const auto mean_difference = [&tokens](std::size_t distance) {
    double sum = 0.0;
    for (std::size_t i = 0; i + distance < tokens.size(); ++i) {
      sum += std::abs(int{tokens[i]} - int{tokens[i + distance]});
    }
    return sum / static_cast<double>(tokens.size() - distance);
  };
  EXPECT_LT(2.0 * mean_difference(3), mean_difference(48));
  EXPECT_LT(2.0 * mean_difference(96), mean_difference(16 * 96 + 48));
}

}  // namespace
}  // namespace sparse_transformer
