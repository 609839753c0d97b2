#include "data/data_watch.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/errors.h"
#include "data/data_settings.h"
#include "files/atomic_file.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Optional;

class Watch : public testing::Test {
 protected:
  Watch() { write_file(path(), std::string(100'000, 'x')); }

  fs::path path() const { return folder_ / "a.txt"; }
  DataSet open() const {
    DataSettings settings;
    settings.path = {path().string()};
    settings.sequence = 16;
    return open_data(settings);
  }
  /// In place, as an editor that does not rename.
  void overwrite(std::streamoff place, const std::string& text) const {
    std::fstream file(path(), std::ios::in | std::ios::out);
    file.seekp(place) << text;
  }

  TemporaryFolder folder_;
};

TEST_F(Watch, SeesNothingInDataThatStay) {
  const DataSet data = open();
  ASSERT_EQ(data.files.size(), 1U);
  EXPECT_EQ(data.files[0].path, path().string());
  EXPECT_EQ(data.files[0].size, 100'000);
  EXPECT_EQ(DataWatch(data).change(), std::nullopt);
}

TEST_F(Watch, NamesAFileOfAnotherSize) {
  const DataSet data = open();
  const DataWatch watch(data);
  overwrite(100'000, "more");
  EXPECT_THAT(watch.change(), Optional(path().string() + " had 100000 bytes and has 100004"));
  fs::remove(path());
  EXPECT_THAT(watch.change(), Optional(path().string() + " has been removed"));
}

TEST_F(Watch, NamesAFileThatWasWrittenTo) {
  const DataSet data = open();
  const DataWatch watch(data);
  overwrite(10, "y");
  fs::last_write_time(path(), fs::last_write_time(path()) + std::chrono::seconds(1));
  EXPECT_THAT(watch.change(), Optional(path().string() + " has been written to"));
}

// Some tools put the time back.
TEST_F(Watch, SeesOtherBytesOfTheSameSizeAndTime) {
  const DataSet data = open();
  const DataWatch watch(data);
  const auto time = fs::last_write_time(path());
  overwrite(0, std::string(100'000, 'y'));
  fs::last_write_time(path(), time);
  EXPECT_THAT(watch.change(), Optional(HasSubstr("has other bytes")));
}

TEST_F(Watch, LooksAtAFewOfManyFiles) {
  for (int i = 0; i < 3000; ++i) std::ofstream(folder_ / ("b" + std::to_string(i))) << i;
  const auto stamps = stamp_files({folder_.path().string()}, {});
  EXPECT_EQ(stamps.size(), 1024U);
  EXPECT_EQ(stamps.front().path, path().string());
}

TEST_F(Watch, SampledDataThatWereCutCannotBeRead) {
  const DataSet data = open();
  fs::resize_file(path(), 10);
  EXPECT_THROW(DataWatch{data}, UnreadableInput);
}

}  // namespace
}  // namespace sparse_transformer
