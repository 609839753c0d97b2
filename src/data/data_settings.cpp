#include "data/data_settings.h"

#include <array>
#include <filesystem>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "config/errors.h"
#include "config/words.h"
#include "data/audio.h"
#include "data/bytes.h"
#include "data/cifar10.h"
#include "data/data_watch.h"
#include "data/generated.h"
#include "data/images.h"
#include "data/midi.h"
#include "data/numpy.h"
#include "data/packed.h"
#include "data/splits.h"
#include "data/text.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> kSources = {"bytes", "cifar10", "images",    "numpy",
                                                      "audio", "midi",    "generated", "packed"};
constexpr std::array<std::string_view, 2> kDamagedFiles = {"skip", "stop"};
constexpr std::array<std::string_view, 3> kNumpyLayouts = {"auto", "interleaved", "planar"};
constexpr std::array<std::string_view, 2> kDrums = {"leave", "keep"};
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
  // These refuse paths of splits.
  if (settings.source == DataSource::kCifar10 || settings.source == DataSource::kPacked) return;
  check_paths("data.split.valid", split_paths(settings.split.valid));
  check_paths("data.split.test", split_paths(settings.split.test));
}

}  // namespace

void SplitSettings::describe(FieldVisitor& visit) {
  visit.field(
      "valid", valid,
      "validation: below 1 a share, else a count (bytes of a stream, or items), or paths of "
      "its own (not cifar10, packed); [] = 0.05, or 0.04 of cifar10's training images; packed has "
      "its "
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
  visit.field("items", items, "how many, over all splits", between<std::int64_t>(1, 100'000'000));
  visit.field("seed", seed, "another seed gives other pictures or tunes");
}

void ImageSettings::describe(FieldVisitor& visit) {
  visit.choice("fit", fit, kFitWords,
               "how a picture becomes data.shape: the middle of it (crop), all of it on black "
               "(pad), or all of it distorted (stretch)");
}

void NumpySettings::describe(FieldVisitor& visit) {
  visit.choice("layout", layout, kNumpyLayouts,
               "of arrays [N, H*W*C]: pixel by pixel (interleaved) or colour by colour (planar); "
               "auto: planar where an .npz has data and labels, as ImageNet-32 and -64 do");
}

void AudioSettings::describe(FieldVisitor& visit) {
  visit.field("sample_rate", sample_rate,
              "samples a second; files of other rates are resampled, channels averaged",
              between(kLeastSampleRate, kMostSampleRate));
}

void MidiSettings::describe(FieldVisitor& visit) {
  visit.field("voices", voices,
              "tokens a time step, one a voice, the highest first; data.sequence is a multiple",
              between<std::int64_t>(1, kMostVoices));
  visit.field("steps_per_beat", steps_per_beat, "time steps a quarter note; 4 = sixteenths",
              between<std::int64_t>(1, kMostStepsPerBeat));
  visit.choice(
      "drums", drums, kDrums,
      "drums (channel 10), whose pitches name instruments: left out (leave), or notes like any "
      "others (keep)");
}

void DataSettings::describe(FieldVisitor& visit) {
  visit.choice("source", source, kSources,
               "bytes: any files; cifar10: its binary format; images: PNG and JPEG files; numpy: "
               "pictures as "
               "uint8 arrays, .npy or .npz; audio: WAV, FLAC, OGG, MP3; midi: Standard MIDI Files; "
               "generated: made by the program; packed: a file from `prepare`");
  visit.paths(
      "path", path,
      "a file, a folder, an archive (.tar.gz, .zip), a compressed file (.xz, .gz), or a list "
      "of them");
  visit.field("sequence", sequence, "tokens a sequence; follows from the shape of pictures",
              between<std::int64_t>(1, kMostSequence));
  visit.field(
      "shape", shape,
      "height, width, channels of pictures; implied by cifar10; [] = no pictures (generated "
      "pictures: 16, 16, 3)",
      between<std::int64_t>(1, kMostPictureSide));
  visit.section("split", split, "what is kept from training, to validate and to test");
  visit.field("expected_sequences", expected_sequences,
              "training sequences that an epoch should have: `inspect` computes the cost of epochs "
              "with it, and `train` warns of other data",
              between<std::int64_t>(1, 1'000'000'000'000));
  visit.choice("damaged", damaged, kDamagedFiles,
               "a file that cannot be decoded is skipped, with a warning, or stops the program");
  visit.section("images", images, "how the source `images` reads pictures");
  visit.section("numpy", numpy, "how the source `numpy` reads arrays");
  visit.section("audio", audio, "what the source `audio` makes of sound: 8-bit mu-law samples");
  visit.section(
      "midi", midi,
      "what the source `midi` makes of scores: a grid of time steps and voices, each cell "
      "a pitch where a note begins (0 to 127), hold (128) or rest (129)");
  visit.field("transpose", transpose,
              "training moves each sequence of a score by up to so many semitones, up or down; 0 = "
              "none",
              between<std::int64_t>(0, 127));
  visit.field("mirror", mirror, "training swaps left and right of half of the pictures");
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
  if ((source == DataSource::kAudio || source == DataSource::kMidi) && !shape.empty()) {
    throw SettingError("data.shape", "got " + shape_text(shape) +
                                         ", but sound and scores are no pictures; leave it out");
  }
  const bool generated_pictures =
      source == DataSource::kGenerated && generated.kind == GeneratedKind::kPictures;
  if (shape.empty()) {
    if (source == DataSource::kImages || source == DataSource::kNumpy) {
      throw SettingError("data.shape",
                         "missing; expected [height, width, channels] of the pictures");
    }
    return generated_pictures ? std::vector<std::int64_t>{16, 16, 3} : shape;
  }
  check_shape(shape);
  if (source == DataSource::kGenerated && !generated_pictures) {
    throw SettingError("data.shape", "got " + shape_text(shape) + ", but tunes have none");
  }
  return shape;
}

std::vector<std::string> DataSettings::paths() const {
  if (source == DataSource::kGenerated) return {};
  std::vector<std::string> all = path;
  for (const NumberOrPaths& size : {split.valid, split.test}) {
    const std::vector<std::string> own = split_paths(size);
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
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
  if (pixels > kMostSequence) {
    throw SettingError("data.shape", "got " + shape_text(pictures) + ", " + std::to_string(pixels) +
                                         " tokens, expected a sequence of at most " +
                                         std::to_string(kMostSequence));
  }
  return pixels;
}

std::optional<TokenFormat> DataSettings::token_format() const {
  const std::vector<std::int64_t> pictures = picture_shape();
  if (source == DataSource::kPacked) return std::nullopt;
  TokenFormat format;
  if (!pictures.empty()) {
    format.kind = TokenFormat::Kind::kPicture;
    format.shape = pictures;
  } else if (source == DataSource::kMidi) {
    format.kind = TokenFormat::Kind::kScore;
    format.voices = midi.voices;
    format.steps_per_beat = midi.steps_per_beat;
    format.drums = midi.drums == Drums::kKeep;
  } else if (source == DataSource::kAudio || source == DataSource::kGenerated) {
    format.kind = TokenFormat::Kind::kSound;
    format.sample_rate = source == DataSource::kAudio ? audio.sample_rate : kTuneSampleRate;
  }
  return format;
}

void check_format(const TokenFormat& format, const DataSettings& settings) {
  const auto check = [](const char* key, const std::string& found, const std::string& expected) {
    if (found == expected) return;
    throw SettingError(key, "got " + found + ", expected " + expected + " as in the settings");
  };
  const auto text = [](std::int64_t number) { return std::to_string(number); };
  const auto word = [](TokenFormat::Kind kind) { return word_of(TokenFormat::kKindWords, kind); };
  if (const std::optional<TokenFormat> expected = settings.token_format()) {
    check("kind", word(format.kind), word(expected->kind));
    check("shape", shape_text(format.shape), shape_text(expected->shape));
    check("sample_rate", text(format.sample_rate), text(expected->sample_rate));
    check("voices", text(format.voices), text(expected->voices));
    check("steps_per_beat", text(format.steps_per_beat), text(expected->steps_per_beat));
    check("drums", text(format.drums ? 1 : 0), text(expected->drums ? 1 : 0));
  }
  if (format.kind == TokenFormat::Kind::kPicture) {
    check("shape", text(format.picture_tokens()) + " tokens",
          text(settings.sequence_length()) + " tokens");
  }
  if (format.grain() > 1 && settings.sequence_length() % format.grain() != 0) {
    throw SettingError("voices", text(format.grain()) +
                                     " tokens a beat do not divide a sequence of " +
                                     text(settings.sequence_length()));
  }
}

namespace {

DataSet open_source(const DataSettings& settings, const DataProgress& progress) {
  switch (settings.source) {
    case DataSource::kBytes:
      return open_bytes(settings, progress);
    case DataSource::kCifar10:
      return open_cifar10(settings, progress);
    case DataSource::kImages:
      return open_images(settings, progress);
    case DataSource::kNumpy:
      return open_numpy(settings, progress);
    case DataSource::kAudio:
      return open_audio(settings, progress);
    case DataSource::kMidi:
      return open_midi(settings, progress);
    case DataSource::kGenerated:
      return open_generated(settings);
    case DataSource::kPacked:
      return open_packed(settings);
  }
  throw std::logic_error("data source " + std::to_string(static_cast<int>(settings.source)));
}

}  // namespace

DataSet open_data(const DataSettings& settings, const DataProgress& progress) {
  check_paths(settings);
  std::vector<FileStamp> files = stamp_files(settings.paths(), progress);
  DataSet data = open_source(settings, progress);
  data.files = std::move(files);
  if (settings.transpose > 0 && data.format.kind != TokenFormat::Kind::kScore) {
    throw SettingError("data.transpose", "got " + std::to_string(settings.transpose) + ", but " +
                                             data.source + " holds no scores; leave it out");
  }
  if (settings.mirror && data.format.kind != TokenFormat::Kind::kPicture) {
    throw SettingError("data.mirror",
                       "got true, but " + data.source + " holds no pictures; leave it out");
  }
  return data;
}

}  // namespace sparse_transformer
