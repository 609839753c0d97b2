// The `data:` section of a config, and the one function that opens what it names.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "config/fields.h"
#include "data/token_data.h"

namespace sparse_transformer {

enum class DataSource { kBytes, kCifar10, kGenerated, kPacked };

/// What the `generated` source makes.
enum class GeneratedKind { kPictures, kTunes };

struct SplitSettings {
  NumberOrPaths valid = 0.05;  // below 1 a share, else a count (bytes or items), or paths
  NumberOrPaths test = 0.05;
  void describe(FieldVisitor& visit);
};

struct GeneratedSettings {
  GeneratedKind kind = GeneratedKind::kPictures;
  std::int64_t items = 20000;
  std::int64_t seed = 1;
  void describe(FieldVisitor& visit);
};

struct DataSettings {
  DataSource source = DataSource::kBytes;
  std::vector<std::string> path;
  std::optional<std::int64_t> sequence;  // n in tokens; follows from the shape for pictures
  std::vector<std::int64_t> shape;       // height, width, channels; implied by cifar10; empty for streams
  SplitSettings split;
  GeneratedSettings generated;
  void describe(FieldVisitor& visit);

  /// Whether the tokens are pictures, and their shape: without opening the data (cifar10: 32, 32, 3), so that the
  /// model can be built for `inspect`. A packed file's own header wins when it is opened.
  std::vector<std::int64_t> picture_shape() const;
  /// n: `sequence`, or the product of the picture's shape. Throws SettingError ("data.sequence") where neither is given.
  std::int64_t sequence_length() const;
};

/// Opens the data that the settings name. Throws UserError (missing, empty, cut, wrong magic …) naming the path.
DataSet open_data(const DataSettings& settings);

/// Writes a data set as one safetensors file: uint8 tensors train, valid, test ([items, n] or [bytes]) and metadata with
/// the format. `progress` is told the tokens written so far, of the total.
void pack_data(const DataSet& data, const std::filesystem::path& path,
               const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace sparse_transformer
