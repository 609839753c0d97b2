#include "data/codec.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "config/errors.h"
#include "data/mu_law.h"
#include "data/text.h"
#include "files/atomic_file.h"
#include "files/audio.h"
#include "files/mapped_file.h"
#include "files/png.h"

namespace sparse_transformer {

namespace {

using Samples = std::vector<std::vector<std::uint8_t>>;

constexpr std::uint8_t kMissing = 128;     // pixels that an unfinished sample has not got
constexpr std::uint8_t kBackground = 255;  // between the pictures of a grid
constexpr std::int64_t kGap = 2;           // pixels between them
constexpr std::int64_t kVisibleSide = 64;  // what a person can make out on a screen

/// Paints one sample, each pixel as a square of `scale`, with its top left corner at (top, left).
void paint(Image& image, std::int64_t top, std::int64_t left, std::int64_t scale,
           const std::vector<std::int64_t>& shape, std::span<const std::uint8_t> sample) {
  const std::int64_t channels = shape[2];
  for (std::int64_t row = 0; row < shape[0] * scale; ++row) {
    for (std::int64_t column = 0; column < shape[1] * scale; ++column) {
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const auto token = static_cast<std::size_t>(
            (row / scale * shape[1] + column / scale) * channels + channel);
        const std::int64_t target =
            ((top + row) * image.width + left + column) * channels + channel;
        image.pixels[static_cast<std::size_t>(target)] =
            token < sample.size() ? sample[token] : kMissing;
      }
    }
  }
}

std::vector<std::byte> encode_pictures(const std::vector<std::int64_t>& shape,
                                       const Samples& samples, const Metadata& text) {
  const std::int64_t count = std::ssize(samples);
  const auto columns = static_cast<std::int64_t>(std::ceil(std::sqrt(count)));
  const std::int64_t rows = (count + columns - 1) / columns;
  const std::int64_t scale =
      count == 1 ? 1 : std::max<std::int64_t>(1, kVisibleSide / std::max(shape[0], shape[1]));
  const std::int64_t row_step = shape[0] * scale + kGap;
  const std::int64_t column_step = shape[1] * scale + kGap;
  Image image = {.width = columns * column_step - kGap,
                 .height = rows * row_step - kGap,
                 .channels = shape[2],
                 .pixels = {}};
  image.pixels.assign(static_cast<std::size_t>(image.width * image.height * image.channels),
                      kBackground);
  for (std::int64_t i = 0; i < count; ++i) {
    paint(image, i / columns * row_step, i % columns * column_step, scale, shape,
          samples[static_cast<std::size_t>(i)]);
  }
  return encode_png(image, text);
}

std::vector<std::byte> encode_sound(std::int64_t sample_rate, const Samples& samples,
                                    const Metadata& text) {
  Sound sound = {.sample_rate = sample_rate, .samples = {}, .comment = {}};
  for (const auto& sample : samples) {
    if (!sound.samples.empty()) {
      sound.samples.insert(sound.samples.end(), static_cast<std::size_t>(sample_rate / 5), 0);
    }
    std::transform(sample.begin(), sample.end(), std::back_inserter(sound.samples), mu_law_decode);
  }
  for (const auto& [key, value] : text) {
    sound.comment.append(sound.comment.empty() ? "" : "\n");
    sound.comment.append(key).append(": ").append(value);
  }
  return encode_wav(sound);
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
                                       const std::vector<std::int64_t>& shape) {
  Image image = decode_png(bytes, path.string());
  const std::vector<std::int64_t> found = {image.height, image.width, image.channels};
  if (found != shape) {
    throw UserError(path.string() + ": a picture of " + shape_text(found) +
                    " (height, width, channels), expected " + shape_text(shape));
  }
  return std::move(image.pixels);
}

std::vector<std::uint8_t> read_sound(const std::filesystem::path& path,
                                     std::span<const std::byte> bytes, std::int64_t sample_rate) {
  const Sound sound = decode_sound(bytes, path.string(), sample_rate);
  std::vector<std::uint8_t> codes;
  std::transform(sound.samples.begin(), sound.samples.end(), std::back_inserter(codes),
                 mu_law_encode);
  return codes;
}

}  // namespace

std::string_view sample_extension(const TokenFormat& format) {
  switch (format.kind) {
    case TokenFormat::Kind::kPicture:
      return ".png";
    case TokenFormat::Kind::kSound:
      return ".wav";
    case TokenFormat::Kind::kScore:
    case TokenFormat::Kind::kBytes:
      break;
  }
  return ".txt";
}

void check_extension(const std::filesystem::path& path, const TokenFormat& format) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  const bool is_right = ending == sample_extension(format);
  switch (format.kind) {
    case TokenFormat::Kind::kPicture:
      if (is_right) return;
      throw UserError(path.string() +
                      ": pictures are written as PNG, expected a name that ends in .png");
    case TokenFormat::Kind::kSound:
      if (is_right) return;
      throw UserError(path.string() +
                      ": sound is written as WAV, expected a name that ends in .wav");
    case TokenFormat::Kind::kScore:
    case TokenFormat::Kind::kBytes:
      if (ending != ".png" && ending != ".wav") return;
      throw UserError(path.string() +
                      ": the samples are bytes, no picture or sound; expected another ending than "
                      ".png and .wav, such as .txt");
  }
}

std::vector<std::byte> encode_samples(const TokenFormat& format, const Samples& samples,
                                      const Metadata& text) {
  if (samples.empty()) {
    throw std::logic_error("no samples to encode");
  }
  switch (format.kind) {
    case TokenFormat::Kind::kPicture:
      return encode_pictures(format.shape, samples, text);
    case TokenFormat::Kind::kSound:
      return encode_sound(format.sample_rate, samples, text);
    case TokenFormat::Kind::kScore:
    case TokenFormat::Kind::kBytes:
      break;
  }
  return encode_bytes(samples);
}

void write_samples(const std::filesystem::path& path, const TokenFormat& format,
                   const Samples& samples, const Metadata& text) {
  write_file(path, encode_samples(format, samples, text));
}

std::vector<std::uint8_t> read_prime(const std::filesystem::path& path, const TokenFormat& format) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  if (bytes.empty()) {
    throw UserError(path.string() + ": empty; expected what the samples begin with");
  }
  switch (format.kind) {
    case TokenFormat::Kind::kPicture:
      return read_picture(path, bytes, format.shape);
    case TokenFormat::Kind::kSound:
      return read_sound(path, bytes, format.sample_rate);
    case TokenFormat::Kind::kScore:
    case TokenFormat::Kind::kBytes:
      break;
  }
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return {first, first + bytes.size()};
}

}  // namespace sparse_transformer
