// The `data:` section of a config, and the one function that opens what it names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "data/token_data.h"
#include "files/resize.h"

namespace sparse_transformer {

enum class DataSource { kBytes, kCifar10, kImages, kNumpy, kAudio, kMidi, kGenerated, kPacked };

/// What becomes of a file that cannot be decoded.
enum class DamagedFiles { kSkip, kStop };

/// What the `generated` source makes.
enum class GeneratedKind { kPictures, kTunes };

struct SplitSettings {
  // Below 1 a share, else a count (bytes or items), or paths. An empty list stands for the source's
  // own default, so that it is only chosen once the source is known.
  NumberOrPaths valid = std::vector<std::string>{};
  NumberOrPaths test = std::vector<std::string>{};
  std::int64_t seed = 0;
  void describe(FieldVisitor& visit);
};

/// How rows of an array, [N, H·W·C], hold pictures.
enum class NumpyLayout { kAuto, kInterleaved, kPlanar };

struct GeneratedSettings {
  GeneratedKind kind = GeneratedKind::kPictures;
  std::int64_t items = 20000;
  std::int64_t seed = 1;
  void describe(FieldVisitor& visit);
};

struct ImageSettings {
  Fit fit = Fit::kCrop;
  void describe(FieldVisitor& visit);
};

struct NumpySettings {
  NumpyLayout layout = NumpyLayout::kAuto;
  void describe(FieldVisitor& visit);
};

struct AudioSettings {
  std::int64_t sample_rate = 16000;  // samples a second
  void describe(FieldVisitor& visit);
};

/// What becomes of the notes of a score's drum channel.
enum class Drums { kLeave, kKeep };

struct MidiSettings {
  std::int64_t voices = 4;
  std::int64_t steps_per_beat = 4;  // time steps a quarter note
  Drums drums = Drums::kLeave;
  void describe(FieldVisitor& visit);
};

struct DataSettings {
  DataSource source = DataSource::kBytes;
  std::vector<std::string> path;
  std::optional<std::int64_t> sequence;  // n in tokens; follows from the shape for pictures
  // Height, width, channels; implied by cifar10; empty for streams. With `bytes`: the files are
  // pictures of this shape, one after another.
  std::vector<std::int64_t> shape;
  SplitSettings split;
  std::optional<std::int64_t> expected_sequences;  // of an epoch, where the data are known
  DamagedFiles damaged = DamagedFiles::kSkip;
  ImageSettings images;
  NumpySettings numpy;
  AudioSettings audio;
  MidiSettings midi;
  std::int64_t transpose = 0;  // semitones, up or down, that training moves scores by at most
  bool mirror = false;         // training mirrors half of the pictures
  GeneratedSettings generated;
  void describe(FieldVisitor& visit);

  /// Height, width, channels, or empty where the tokens are no pictures: known without opening the
  /// data, so that the model can be built for `inspect`. Throws SettingError ("data.shape") for
  /// what is no shape, or not the source's.
  std::vector<std::int64_t> picture_shape() const;
  /// All paths that are read: of the data and of splits.
  std::vector<std::string> paths() const;
  /// What data of these settings are, known without opening them; nothing for a packed file, which
  /// says so itself. Throws SettingError as picture_shape() does.
  std::optional<TokenFormat> token_format() const;
  /// n: `sequence`, or the product of the picture's shape. Throws SettingError ("data.sequence")
  /// where neither is given, or both and they differ, or n is above kMostSequence.
  std::int64_t sequence_length() const;
};

/// Throws SettingError that names the member ("voices") by which data of these settings cannot have
/// this format.
void check_format(const TokenFormat& format, const DataSettings& settings);

/// Opens the data that the settings name. Throws SettingError for a path that is not there,
/// UserError (empty, cut, wrong magic …) naming the path. `progress` is told of the files listed
/// and decoded, and of bytes while an archive is expanded.
DataSet open_data(const DataSettings& settings, const DataProgress& progress = {});

}  // namespace sparse_transformer
