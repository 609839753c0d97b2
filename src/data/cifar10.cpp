#include "data/cifar10.h"

#include <array>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "config/errors.h"
#include "data/permutation.h"
#include "data/planes.h"
#include "data/splits.h"
#include "data/text.h"
#include "data/token_sources.h"
#include "files/input_files.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kPixels = std::int64_t{32} * 32;
constexpr std::int64_t kItem = 3 * kPixels;
constexpr std::size_t kRecord = 1 + kItem;
constexpr std::array<std::string_view, 5> kTrainingFiles = {"data_batch_1.bin", "data_batch_2.bin",
                                                            "data_batch_3.bin", "data_batch_4.bin",
                                                            "data_batch_5.bin"};
constexpr std::string_view kTestFile = "test_batch.bin";
constexpr std::uint64_t kValidationKey = 10;  // any number, but for ever the same

using Record = TokenPiece;  // a label and a picture
using Files = std::vector<InputFile>;

class Cifar10Pictures : public ItemTokens {
 public:
  Cifar10Pictures(std::vector<Record> records, std::shared_ptr<const Files> files)
      : ItemTokens(std::ssize(records), kItem),
        records_(std::move(records)),
        files_(std::move(files)) {}

 private:
  void read_item(std::int64_t index, std::span<std::uint8_t> item) const override {
    std::array<std::uint8_t, kItem> planes{};
    records_[static_cast<std::size_t>(index)].read(1, planes);
    interleave(std::as_bytes(std::span(planes)), 3, item);
  }

  std::vector<Record> records_;
  std::shared_ptr<const Files> files_;  // owns what the records point to
};

void check_labels(const InputFile& file) {
  for (std::size_t offset = 0; offset < file.bytes.size(); offset += kRecord) {
    const int label = std::to_integer<int>(file.bytes[offset]);
    if (label <= 9) continue;
    throw UserError(file.name + ": not CIFAR-10's binary format: label " + std::to_string(label) +
                    " at byte " + std::to_string(offset) + ", expected 0 to 9");
  }
}

/// The records of the one file of this name.
std::vector<Record> records_of(const Files& files, std::string_view name,
                               const std::string& source) {
  const InputFile* found = nullptr;
  for (const InputFile& file : files) {
    if (std::filesystem::path(file.name).filename() == name) {
      if (found != nullptr) {
        throw UserError(source + ": there are two: " + found->name + " and " + file.name +
                        "; name the folder or archive of one of them");
      }
      found = &file;
    }
  }
  if (found == nullptr) {
    throw UserError(source + ": " + std::string(name) +
                    " is missing; expected CIFAR-10's binary version, data_batch_1.bin to "
                    "data_batch_5.bin and test_batch.bin");
  }
  const std::span<const std::byte> bytes = found->bytes;
  if (bytes.empty()) {
    throw UserError(found->name + ": empty");
  }
  if (bytes.size() % kRecord != 0) {
    throw UserError(found->name + ": cut: " + std::to_string(bytes.size()) +
                    " bytes are not a whole number of records of " + std::to_string(kRecord));
  }
  found->storage->parse([found] { check_labels(*found); });
  std::vector<Record> records;
  for (std::size_t offset = 0; offset < bytes.size(); offset += kRecord) {
    records.push_back({bytes.subspan(offset, kRecord), found->storage.get()});
  }
  return records;
}

}  // namespace

const std::vector<std::int64_t>& cifar10_shape() {
  static const std::vector<std::int64_t> shape = {32, 32, 3};
  return shape;
}

DataSet open_cifar10(const DataSettings& settings, const DataProgress& progress) {
  DataSet data;
  data.source = "cifar10 " + paths_text(settings.path);
  refuse_split_paths(settings.split, "cifar10");
  const auto files =
      std::make_shared<const Files>(open_inputs(settings.path, progress, &data.warnings));
  std::vector<Record> training;
  for (const std::string_view name : kTrainingFiles) {
    const std::vector<Record> batch = records_of(*files, name, data.source);
    training.insert(training.end(), batch.begin(), batch.end());
  }
  const SplitSettings split = {.valid = settings.split.valid, .test = 0.0};
  const SplitCounts counts =
      split_counts(split, std::ssize(training), data.source, {.valid = 0.04});
  const Permutation order(std::ssize(training), kValidationKey);
  std::vector<Record> train;
  std::vector<Record> valid;
  for (std::int64_t i = 0; i < std::ssize(training); ++i) {
    (order(i) < counts.valid ? valid : train).push_back(training[static_cast<std::size_t>(i)]);
  }
  data.format = {.kind = TokenFormat::Kind::kPicture, .shape = cifar10_shape()};
  data.item_size = kItem;
  data.train = std::make_shared<Cifar10Pictures>(std::move(train), files);
  data.valid = std::make_shared<Cifar10Pictures>(std::move(valid), files);
  data.test = std::make_shared<Cifar10Pictures>(records_of(*files, kTestFile, data.source), files);
  return data;
}

}  // namespace sparse_transformer
