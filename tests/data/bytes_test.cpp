#include "data/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "config/errors.h"
#include "data/batches.h"
#include "tests/data/all_tokens.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

Bytes counting(std::size_t size, std::uint8_t first = 0) {
  Bytes bytes(size);
  std::iota(bytes.begin(), bytes.end(), first);
  return bytes;
}

DataSettings settings_for(std::vector<std::string> paths) {
  DataSettings settings;
  settings.path = std::move(paths);
  return settings;
}

TEST(Bytes, SplitsAreContiguousTrainFirstTestLast) {
  const TemporaryFolder folder;
  DataSettings settings = settings_for({folder.write("text", counting(199))});
  DataSet data = open_data(settings);
  EXPECT_TRUE(data.is_stream());
  EXPECT_EQ(data.format.kind, TokenFormat::Kind::kBytes);
  EXPECT_EQ(all_tokens(*data.train), counting(181));  // 199 · 0.05 = 9.95
  EXPECT_EQ(all_tokens(*data.valid), counting(9, 181));
  EXPECT_EQ(all_tokens(*data.test), counting(9, 190));

  settings.split = {.valid = 0.1, .test = 20.0};
  data = open_data(settings);
  EXPECT_EQ(all_tokens(*data.train), counting(160));
  EXPECT_EQ(all_tokens(*data.valid), counting(19, 160));
  EXPECT_EQ(all_tokens(*data.test), counting(20, 179));

  settings.split = {.valid = 0.0, .test = 199.0};
  data = open_data(settings);
  EXPECT_EQ(data.train->size(), 0);
  EXPECT_EQ(data.valid->size(), 0);
  EXPECT_EQ(data.test->size(), 199);
}

TEST(Bytes, FilesOfAFolderAreReadInSortedOrderAndPathsInTheirOwn) {
  const TemporaryFolder folder;
  folder.write("texts/b", {3, 4});
  folder.write("texts/a", {1, 2});
  folder.write("texts/c/d", {5, 6, 7});
  const std::string last = folder.write("last", {8});
  DataSettings settings = settings_for({last, (folder.path() / "texts").string()});
  settings.split = {.valid = 0.0, .test = 3.0};
  const DataSet data = open_data(settings);
  EXPECT_EQ(all_tokens(*data.train), (Bytes{8, 1, 2, 3, 4}));
  EXPECT_EQ(all_tokens(*data.test), (Bytes{5, 6, 7}));
}

TEST(Bytes, ASplitMayHavePathsOfItsOwn) {
  const TemporaryFolder folder;
  DataSettings settings = settings_for({folder.write("train", counting(100))});
  settings.split.valid = std::vector<std::string>{folder.write("valid", {7, 8})};
  settings.split.test = 0.25;
  const DataSet data = open_data(settings);
  EXPECT_EQ(all_tokens(*data.train), counting(75));
  EXPECT_EQ(all_tokens(*data.valid), (Bytes{7, 8}));
  EXPECT_EQ(all_tokens(*data.test), counting(25, 75));
}

TEST(Bytes, WithAShapeTheyArePictures) {
  const TemporaryFolder folder;
  DataSettings settings = settings_for({folder.write("pictures", counting(60))});
  settings.shape = {2, 2, 3};
  settings.split = {.valid = 0.4, .test = 1.0};
  const DataSet data = open_data(settings);
  EXPECT_EQ(data.item_size, 12);
  EXPECT_EQ(data.format.kind, TokenFormat::Kind::kPicture);
  EXPECT_EQ(data.format.shape, settings.shape);
  EXPECT_EQ(all_tokens(*data.train), counting(24));
  EXPECT_EQ(all_tokens(*data.valid), counting(24, 24));
  EXPECT_EQ(all_tokens(*data.test), counting(12, 48));

  settings.path = {folder.write("cut", counting(59))};
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<UserError>(
                  AllOf(HasSubstr("cut: 59 bytes"), HasSubstr("whole number of pictures of 12"))));
}

TEST(Bytes, RefusesWhatCannotBe) {
  const TemporaryFolder folder;
  const std::string text = folder.write("text", counting(100));
  EXPECT_THAT([&] { open_data(settings_for({(folder.path() / "absent").string()})); },
              ThrowsMessage<UserError>(HasSubstr("absent")));
  EXPECT_THAT([&] { open_data(settings_for({folder.write("nothing", {})})); },
              ThrowsMessage<UserError>(AllOf(HasSubstr("nothing"), HasSubstr("empty"))));
  EXPECT_THAT([] { open_data(settings_for({})); },
              ThrowsMessage<SettingError>(HasSubstr("data.path: missing")));

  DataSettings settings = settings_for({text});
  settings.split = {.valid = 60.0, .test = 41.0};
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<UserError>(
                  AllOf(HasSubstr(text), HasSubstr("60 (valid) + 41 (test)"), HasSubstr("100"))));
  settings.split = {.valid = 1.5, .test = 0.0};
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<SettingError>(HasSubstr("data.split.valid: got 1.5")));
  settings.split = {.valid = 0.0, .test = -1.0};
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<SettingError>(HasSubstr("data.split.test: got -1")));
}

TEST(Bytes, DataLargerThanMemoryAreMappedNotRead) {
  const TemporaryFolder folder;
  const std::string path = folder.write("huge", {1});
  constexpr std::int64_t kSize = std::int64_t{1} << 38;  // 256 GiB, all but one byte a hole
  std::error_code refused;
  std::filesystem::resize_file(path, kSize, refused);
  if (refused) GTEST_SKIP() << "this file system has no sparse files of 256 GiB";

  const auto start = std::chrono::steady_clock::now();
  const DataSet data = open_data(settings_for({path}));
  const TrainingSequences sequences(data, 4096, 1);
  const std::vector<std::uint8_t> batch = sequences.read(0, 8);
  EXPECT_EQ(batch, std::vector<std::uint8_t>(batch.size(), 0));
  EXPECT_EQ(data.train->size() + data.valid->size() + data.test->size(), kSize);
  EXPECT_LT(std::chrono::steady_clock::now() - start,
            std::chrono::seconds(10));  // read whole: minutes
}

}  // namespace
}  // namespace sparse_transformer
