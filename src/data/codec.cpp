#include "data/codec.h"

#include <algorithm>
#include <cctype>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "config/errors.h"
#include "data/picture_codec.h"
#include "data/score_codec.h"
#include "data/score_grid.h"
#include "data/sound_codec.h"
#include "data/spectrogram.h"
#include "data/text.h"
#include "files/atomic_file.h"
#include "files/caption.h"
#include "files/mapped_file.h"
#include "files/midi.h"
#include "files/picture.h"
#include "files/png.h"

namespace sparse_transformer {

namespace {

using Samples = std::vector<std::vector<std::uint8_t>>;

/// The metadata as the comment of a sound or score: a line "KEY: VALUE" each.
std::string comment_of(const Metadata& text) {
  std::string comment;
  for (const auto& [key, value] : text) {
    comment.append(comment.empty() ? "" : "\n").append(key).append(": ").append(value);
  }
  return comment;
}

ScoreGrid grid_of(const TokenFormat& format) {
  return {.voices = format.voices, .steps_per_beat = format.steps_per_beat, .drums = format.drums};
}

std::vector<std::byte> encode_bytes(const Samples& samples) {
  std::vector<std::byte> bytes;
  const auto append = [&bytes](const auto& part) {
    const auto raw = std::as_bytes(std::span(part));
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  };
  if (samples.size() == 1) {
    append(samples.front());
    return bytes;
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    append("---- sample " + std::to_string(i + 1) + " ----\n");
    append(samples[i]);
    append(std::string("\n"));
  }
  return bytes;
}

std::vector<std::uint8_t> read_picture(const std::filesystem::path& path,
                                       std::span<const std::byte> bytes,
                                       const std::vector<std::int64_t>& shape, const Warn& warn) {
  std::vector<std::string> warnings;
  Image image = with_channels(decode_picture(bytes, path.string(), 0, &warnings), shape[2]);
  const std::vector<std::int64_t> found = {image.height, image.width, image.channels};
  if (found != shape) {
    throw UserError(path.string() + ": a picture of " + shape_text(found) +
                    " (height, width, channels), expected " + shape_text(shape));
  }
  for (const std::string& warning : warnings) warn(warning);
  return std::move(image.pixels);
}

std::vector<std::uint8_t> read_score(const std::filesystem::path& path,
                                     std::span<const std::byte> bytes, const ScoreGrid& grid,
                                     const Warn& warn) {
  const std::string name = path.string();
  const MidiScore score = decode_midi(bytes, name);
  ScoreCells found = cells_of(score, grid, name);
  for (const std::string& warning : score.warnings) warn(name + ": " + warning);
  for (const std::string& loss : sentences(found.losses, grid)) warn(name + ": left out: " + loss);
  return std::move(found.cells);
}

std::vector<std::uint8_t> read_sound(const std::filesystem::path& path,
                                     std::span<const std::byte> bytes, std::int64_t sample_rate,
                                     const Warn& warn) {
  std::vector<std::string> warnings;
  auto tokens = decode_to_tokens(bytes, path.string(), sample_rate, &warnings);
  for (const std::string& warning : warnings) warn(warning);
  return tokens;
}

/// The tokens of bytes of any format.
std::vector<std::uint8_t> decode_prime(const std::filesystem::path& path,
                                       std::span<const std::byte> bytes, const TokenFormat& format,
                                       const Warn& warn) {
  switch (format.kind) {
    case TokenFormat::Kind::kPicture:
      return read_picture(path, bytes, format.shape, warn);
    case TokenFormat::Kind::kSound:
      return read_sound(path, bytes, format.sample_rate, warn);
    case TokenFormat::Kind::kScore:
      return read_score(path, bytes, grid_of(format), warn);
    case TokenFormat::Kind::kBytes:
      break;
  }
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return {first, first + bytes.size()};
}

std::string lower_case_extension(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return ending;
}

/// The endings that files of this kind of samples may have, the usual one first; of bytes any but
/// these.
std::vector<std::string_view> endings_of(TokenFormat::Kind kind) {
  switch (kind) {
    case TokenFormat::Kind::kPicture:
      return {".png"};
    case TokenFormat::Kind::kSound:
      return {".wav", ".flac", ".png"};
    case TokenFormat::Kind::kScore:
      return {".mid", ".png"};
    case TokenFormat::Kind::kBytes:
      break;
  }
  return {".png", ".wav", ".flac", ".mid"};
}

/// What samples that are no bytes are written as.
std::string_view files_of(TokenFormat::Kind kind) {
  switch (kind) {
    case TokenFormat::Kind::kPicture:
      return "pictures are written as PNG, expected a name that ends in .png";
    case TokenFormat::Kind::kSound:
      return "sound is written as WAV or FLAC, or drawn, expected a name that ends in .wav, .flac "
             "or .png";
    case TokenFormat::Kind::kScore:
      return "scores are written as MIDI or as a piano roll, expected a name that ends in .mid or "
             ".png";
    case TokenFormat::Kind::kBytes:
      break;
  }
  return "the samples are bytes, no picture, sound or score; expected another ending than .png, "
         ".wav, .flac and .mid, such as .txt";
}

Image draw(const TokenFormat& format, const Samples& samples, const PictureLayout& layout) {
  Image image;
  if (format.kind == TokenFormat::Kind::kSound) {
    image = draw_spectrogram(format.sample_rate, samples);
  } else if (format.kind == TokenFormat::Kind::kScore) {
    image = draw_piano_roll(grid_of(format), samples);
  } else {
    image = draw_pictures(format.shape, samples, layout.columns);
    if (samples.size() == 1) return image;
  }
  return layout.caption.empty() ? image : captioned(image, layout.caption);
}

}  // namespace

bool is_drawable(const TokenFormat& format) { return format.kind != TokenFormat::Kind::kBytes; }

bool is_picture_name(const std::filesystem::path& path) {
  return lower_case_extension(path) == ".png";
}

std::string_view sample_extension(const TokenFormat& format) {
  const bool is_bytes = format.kind == TokenFormat::Kind::kBytes;
  return is_bytes ? ".txt" : endings_of(format.kind).front();
}

void check_extension(const std::filesystem::path& path, const TokenFormat& format) {
  const auto endings = endings_of(format.kind);
  const bool is_one_of_them =
      std::find(endings.begin(), endings.end(), lower_case_extension(path)) != endings.end();
  if (is_one_of_them == (format.kind == TokenFormat::Kind::kBytes)) {
    throw UserError(path.string() + ": " + std::string(files_of(format.kind)));
  }
}

std::vector<std::byte> encode_samples(const TokenFormat& format, const Samples& samples,
                                      const Metadata& text, std::string_view extension,
                                      const PictureLayout& layout) {
  if (samples.empty()) {
    throw std::logic_error("no samples to encode");
  }
  if (format.kind == TokenFormat::Kind::kPicture || (is_drawable(format) && extension == ".png")) {
    return encode_png(draw(format, samples, layout), text);
  }
  switch (format.kind) {
    case TokenFormat::Kind::kSound:
      return encode_sounds(format.sample_rate, samples, extension, comment_of(text));
    case TokenFormat::Kind::kScore:
      return encode_midi_samples(grid_of(format), samples, comment_of(text));
    case TokenFormat::Kind::kPicture:
    case TokenFormat::Kind::kBytes:
      break;
  }
  return encode_bytes(samples);
}

void write_samples(const std::filesystem::path& path, const TokenFormat& format,
                   const Samples& samples, const Metadata& text, const PictureLayout& layout) {
  write_file(path, encode_samples(format, samples, text, lower_case_extension(path), layout));
}

std::vector<std::uint8_t> read_prime(const std::filesystem::path& path, const TokenFormat& format,
                                     const Warn& warn) {
  const MappedFile file(path);
  std::vector<std::uint8_t> tokens;
  file.parse([&] {
    if (!file.bytes().empty()) tokens = decode_prime(path, file.bytes(), format, warn);
  });
  if (tokens.empty()) {
    throw UserError(path.string() + ": empty; expected what the samples begin with");
  }
  return tokens;
}

}  // namespace sparse_transformer
