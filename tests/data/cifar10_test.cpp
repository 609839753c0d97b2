#include "data/cifar10.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/errors.h"
#include "tests/data/all_tokens.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kItem = 3072;

/// Picture k: red of pixel p is k, green p mod 251, blue p / 32 (its row).
Bytes record(std::uint8_t k) {
  Bytes bytes = {static_cast<std::uint8_t>(k % 10)};
  for (std::size_t plane = 0; plane < 3; ++plane) {
    for (std::size_t p = 0; p < 1024; ++p) {
      bytes.push_back(static_cast<std::uint8_t>(plane == 0 ? k : plane == 1 ? p % 251 : p / 32));
    }
  }
  return bytes;
}

Bytes records(std::uint8_t first, std::uint8_t count) {
  Bytes bytes;
  for (std::uint8_t k = first; k < first + count; ++k) {
    const Bytes one = record(k);
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  return bytes;
}

/// Five training files of 10 pictures, 0 … 49, and 7 test pictures, 200 … 206.
std::map<std::string, Bytes> small_cifar10() {
  std::map<std::string, Bytes> files;
  for (std::uint8_t i = 0; i < 5; ++i) {
    files["data_batch_" + std::to_string(i + 1) + ".bin"] =
        records(static_cast<std::uint8_t>(10 * i), 10);
  }
  files["test_batch.bin"] = records(200, 7);
  files["batches.meta.txt"] = {'c', 'a', 't'};
  return files;
}

DataSettings settings_for(const std::string& path) {
  DataSettings settings;
  settings.source = DataSource::kCifar10;
  settings.path = {path};
  return settings;
}

std::string write_folder(const TemporaryFolder& folder, const std::map<std::string, Bytes>& files) {
  for (const auto& [name, bytes] : files) {
    folder.write("cifar-10-batches-bin/" + name, bytes);
  }
  return folder.path().string();
}

/// Which pictures a split has, by their red.
std::vector<int> pictures_of(const Tokens& split) {
  const Bytes tokens = all_tokens(split);
  std::vector<int> pictures;
  for (std::size_t i = 0; i < tokens.size(); i += kItem) {
    pictures.push_back(tokens[i]);
  }
  return pictures;
}

TEST(Cifar10, PlanesBecomeInterleavedPixelsInRasterOrder) {
  const TemporaryFolder folder;
  const DataSet data = open_data(settings_for(write_folder(folder, small_cifar10())));
  EXPECT_EQ(data.item_size, 3072);
  EXPECT_EQ(data.format.kind, TokenFormat::Kind::kPicture);
  EXPECT_EQ(data.format.shape, (std::vector<std::int64_t>{32, 32, 3}));
  const Bytes test = all_tokens(*data.test);
  ASSERT_EQ(test.size(), 7 * kItem);
  for (std::size_t k = 0; k < 7; ++k) {
    for (std::size_t p = 0; p < 1024; ++p) {
      const std::size_t token = k * kItem + 3 * p;
      ASSERT_EQ(test[token], 200 + k);
      ASSERT_EQ(test[token + 1], p % 251);
      ASSERT_EQ(test[token + 2], p / 32);
    }
  }
}

TEST(Cifar10, ValidationIsAFixedChoiceOfTheTrainingPictures) {
  const TemporaryFolder folder;
  DataSettings settings = settings_for(write_folder(folder, small_cifar10()));
  const DataSet data = open_data(settings);
  std::vector<int> train = pictures_of(*data.train);
  const std::vector<int> valid = pictures_of(*data.valid);
  EXPECT_EQ(valid, (std::vector<int>{26, 33}));  // 50 · 0.04, and the same ones for ever
  EXPECT_TRUE(std::is_sorted(train.begin(), train.end()));
  EXPECT_EQ(pictures_of(*open_data(settings).valid), valid);
  train.insert(train.end(), valid.begin(), valid.end());
  EXPECT_EQ(std::set<int>(train.begin(), train.end()).size(), 50U);
  EXPECT_EQ(data.test->size(), static_cast<std::int64_t>(7 * kItem));

  settings.split.valid = 20.0;
  settings.split.test = 0.05;  // a share of nothing here: test_batch is test
  EXPECT_EQ(pictures_of(*open_data(settings).valid).size(), 20U);
  EXPECT_EQ(pictures_of(*open_data(settings).test).size(), 7U);
}

/// A .tar.gz, as the data set is distributed.
std::string write_archive(const TemporaryFolder& folder,
                          const std::map<std::string, Bytes>& files) {
  std::string path = (folder.path() / "cifar-10-binary.tar.gz").string();
  archive* out = archive_write_new();
  archive_write_add_filter_gzip(out);
  archive_write_set_format_ustar(out);
  archive_write_open_filename(out, path.c_str());
  for (const auto& [name, bytes] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, ("cifar-10-batches-bin/" + name).c_str());
    archive_entry_set_size(entry, std::ssize(bytes));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(out, entry);
    archive_write_data(out, bytes.data(), bytes.size());
    archive_entry_free(entry);
  }
  archive_write_free(out);
  return path;
}

TEST(Cifar10, TheArchiveIsTheSameAsTheFolder) {
  const TemporaryFolder unpacked;
  const TemporaryFolder packed;
  const DataSet folder = open_data(settings_for(write_folder(unpacked, small_cifar10())));
  const DataSet archive = open_data(settings_for(write_archive(packed, small_cifar10())));
  EXPECT_EQ(archive.content_hash(), folder.content_hash());
}

TEST(Cifar10, NamesTheBrokenFile) {
  const auto refusal = [](std::map<std::string, Bytes> files) {
    const TemporaryFolder folder;
    try {
      open_data(settings_for(write_folder(folder, files)));
    } catch (const UserError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  auto files = small_cifar10();
  files["data_batch_3.bin"].pop_back();
  EXPECT_THAT(refusal(files), AllOf(HasSubstr("data_batch_3.bin: cut"), HasSubstr("3073")));

  files = small_cifar10();
  files["data_batch_2.bin"][3073] = 10;
  EXPECT_THAT(refusal(files),
              AllOf(HasSubstr("data_batch_2.bin"), HasSubstr("label 10"), HasSubstr("byte 3073")));

  files = small_cifar10();
  files["test_batch.bin"].clear();
  EXPECT_THAT(refusal(files), HasSubstr("test_batch.bin: empty"));

  files = small_cifar10();
  files.erase("data_batch_5.bin");
  EXPECT_THAT(refusal(files), HasSubstr("data_batch_5.bin is missing"));

  files = small_cifar10();
  files["copy/test_batch.bin"] = files["test_batch.bin"];
  EXPECT_THAT(refusal(files), HasSubstr("there are two"));
}

TEST(Cifar10, RefusesSettingsThatAreNotItsOwn) {
  const TemporaryFolder folder;
  DataSettings settings = settings_for(write_folder(folder, small_cifar10()));
  settings.shape = {64, 64, 3};
  EXPECT_THAT([&] { settings.picture_shape(); },
              ThrowsMessage<SettingError>(HasSubstr("data.shape: got [64, 64, 3]")));
  settings.shape = {};
  settings.split.valid = 51.0;
  EXPECT_THAT([&] { open_data(settings); }, ThrowsMessage<UserError>(HasSubstr("only 50")));
  settings.split.valid = std::vector<std::string>{"elsewhere"};
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<SettingError>(HasSubstr("data.split.valid: got paths")));
}

}  // namespace
}  // namespace sparse_transformer
