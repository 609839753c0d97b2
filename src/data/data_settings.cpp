#include "data/data_settings.h"

#include <array>
#include <filesystem>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "config/errors.h"
#include "data/bytes.h"
#include "data/cifar10.h"
#include "data/generated.h"
#include "data/packed.h"
#include "data/splits.h"
#include "data/text.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kSources = {"bytes", "cifar10", "generated", "packed"};
constexpr std::array<std::string_view, 2> kDamagedFiles = {"skip", "stop"};
constexpr std::array<std::string_view, 2> kGeneratedKinds = {"pictures", "tunes"};

void check_shape(const std::vector<std::int64_t>& shape) {
  if (!is_picture_shape(shape)) {
    throw SettingError(
        "data.shape",
        "got " + shape_text(shape) + ", expected [height, width, channels] with 1 or 3 channels");
  }
}

/// What reads the files knows their paths, but not which setting gave them.
void check_paths(const std::string& key, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (fs::status(path, ignored).type() == fs::file_type::not_found) {
      throw SettingError(key, path + ": there is no such file or folder");
    }
  }
}

void check_paths(const DataSettings& settings) {
  if (settings.source == DataSource::kGenerated) return;
  if (settings.path.empty()) {
    throw SettingError("data.path", "missing; expected a file, a folder or a list of them");
  }
  check_paths("data.path", settings.path);
  if (settings.source != DataSource::kBytes) return;  // the others refuse paths of splits
  check_paths("data.split.valid", split_paths(settings.split.valid));
  check_paths("data.split.test", split_paths(settings.split.test));
}

}  // namespace

void SplitSettings::describe(FieldVisitor& visit) {
  visit.field(
      "valid", valid,
      "validation: below 1 a share, else a count (bytes of a stream, or items), or paths of "
      "its own (bytes only); [] = 0.05, or 0.04 of cifar10's training images; packed has its "
      "own",
      at_least(0.0));
  visit.field("test", test,
              "test, likewise; [] = 0.05; cifar10 always has test_batch.bin, packed its own",
              at_least(0.0));
  visit.field("seed", seed,
              "another seed deals other items to the splits; streams of bytes and "
              "cifar10 are cut in order");
}

void GeneratedSettings::describe(FieldVisitor& visit) {
  visit.choice(
      "kind", kind, kGeneratedKinds,
      "pictures of simple shapes (data.shape), or tunes of a few notes, 4 kHz 8-bit mu-law "
      "(data.sequence tokens each)");
  visit.field("items", items, "how many, over all splits", between<std::int64_t>(1, 1'000'000'000));
  visit.field("seed", seed, "another seed gives other pictures or tunes");
}

void DataSettings::describe(FieldVisitor& visit) {
  visit.choice(
      "source", source, kSources,
      "bytes: any files; cifar10: its binary format; generated: made by the program; packed: "
      "a file from `prepare`");
  visit.paths(
      "path", path,
      "a file, a folder, an archive (.tar.gz, .zip), a compressed file (.xz, .gz), or a list "
      "of them");
  visit.field("sequence", sequence, "tokens a sequence; follows from the shape of pictures",
              at_least<std::int64_t>(1));
  visit.field(
      "shape", shape,
      "height, width, channels of pictures; implied by cifar10; [] = no pictures (generated "
      "pictures: 16, 16, 3)",
      between<std::int64_t>(1, 65536));
  visit.section("split", split, "what is kept from training, to validate and to test");
  visit.choice("damaged", damaged, kDamagedFiles,
               "a file that cannot be decoded is skipped, with a warning, or stops the program");
  visit.section("generated", generated, "what the source `generated` makes");
}

std::vector<std::int64_t> DataSettings::picture_shape() const {
  if (source == DataSource::kCifar10) {
    if (!shape.empty() && shape != cifar10_shape()) {
      throw SettingError("data.shape", "got " + shape_text(shape) + ", but cifar10 is " +
                                           shape_text(cifar10_shape()) + "; leave it out");
    }
    return cifar10_shape();
  }
  const bool generated_pictures =
      source == DataSource::kGenerated && generated.kind == GeneratedKind::kPictures;
  if (shape.empty()) {
    return generated_pictures ? std::vector<std::int64_t>{16, 16, 3} : shape;
  }
  check_shape(shape);
  if (source == DataSource::kGenerated && !generated_pictures) {
    throw SettingError("data.shape", "got " + shape_text(shape) + ", but tunes have none");
  }
  return shape;
}

std::int64_t DataSettings::sequence_length() const {
  const std::vector<std::int64_t> pictures = picture_shape();
  if (pictures.empty()) {
    if (!sequence) {
      throw SettingError("data.sequence", "missing; expected the number of tokens a sequence");
    }
    return *sequence;
  }
  const std::int64_t pixels =
      std::accumulate(pictures.begin(), pictures.end(), std::int64_t{1}, std::multiplies<>());
  if (sequence && *sequence != pixels) {
    throw SettingError("data.sequence", "got " + std::to_string(*sequence) + ", but pictures of " +
                                            shape_text(pictures) + " have " +
                                            std::to_string(pixels) + " tokens; leave it out");
  }
  return pixels;
}

DataSet open_data(const DataSettings& settings, [[maybe_unused]] const DataProgress& progress) {
  check_paths(settings);
  switch (settings.source) {
    case DataSource::kBytes:
      return open_bytes(settings);
    case DataSource::kCifar10:
      return open_cifar10(settings);
    case DataSource::kGenerated:
      return open_generated(settings);
    case DataSource::kPacked:
      return open_packed(settings);
  }
  throw std::logic_error("data source " + std::to_string(static_cast<int>(settings.source)));
}

}  // namespace sparse_transformer
