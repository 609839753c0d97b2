#include "data/generated.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "config/errors.h"
#include "data/mix.h"
#include "data/mu_law.h"
#include "data/splits.h"
#include "data/text.h"
#include "data/token_sources.h"

namespace sparse_transformer {

namespace {

/// A stream of random numbers for one item.
class Dice {
 public:
  Dice(std::uint64_t seed, std::int64_t index)
      : key_(mix(seed, static_cast<std::uint64_t>(index))) {}

  /// Any of low … high, all but equally likely.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    const auto choices = static_cast<std::uint64_t>(high - low + 1);
    return low + static_cast<std::int64_t>(mix(key_, throws_++) % choices);
  }

  template <typename List>
  const auto& any_of(const List& list) {
    return list[static_cast<std::size_t>(between(0, std::ssize(list) - 1))];
  }

 private:
  std::uint64_t key_;
  std::uint64_t throws_ = 0;
};

/// Red, green, blue, and the grey that stands for the colour in pictures of one channel.
using Colour = std::array<std::uint8_t, 4>;

constexpr std::array<Colour, 2> kBackgrounds = {
    {{16, 16, 48, 16}, {240, 240, 224, 240}}};  // night, paper
constexpr std::array<Colour, 5> kColours = {
    {{224, 48, 48, 80},
     {48, 176, 80, 112},
     {64, 112, 240, 144},
     {240, 192, 32, 176},
     {192, 80, 208, 208}}};  // red, green, blue, yellow, violet

enum class Figure { kDisc, kSquare, kTriangle, kRing };
constexpr std::array<Figure, 4> kFigures = {Figure::kDisc, Figure::kSquare, Figure::kTriangle,
                                            Figure::kRing};

/// A figure inside the square of 2·radius pixels a side around a corner of four pixels.
struct PlacedFigure {
  Figure figure;
  Colour colour;
  std::int64_t row, column, radius;

  bool covers(std::int64_t pixel_row, std::int64_t pixel_column) const {
    // In half pixels from the centre to the middle of the pixel: always odd.
    const std::int64_t down = 2 * (pixel_row - row) + 1;
    const std::int64_t right = 2 * (pixel_column - column) + 1;
    const std::int64_t size = 2 * radius;
    if (std::max(std::abs(down), std::abs(right)) > size) {
      return false;
    }
    const std::int64_t distance2 = down * down + right * right;
    switch (figure) {
      case Figure::kDisc:
        return distance2 <= size * size;
      case Figure::kSquare:
        return true;
      case Figure::kTriangle:
        return 2 * std::abs(right) <= down + size;
      case Figure::kRing:
        return distance2 <= size * size && 4 * distance2 >= size * size;
    }
    return false;
  }
};

/// Sizes and places are multiples of an eighth of the shorter side.
PlacedFigure place_figure(Dice& dice, std::span<const std::int64_t> shape) {
  const std::int64_t unit = std::min(shape[0], shape[1]) / 8;
  const auto place = [&](std::int64_t length, std::int64_t radius) {
    return unit * dice.between(radius / unit, (length - radius) / unit);
  };
  PlacedFigure placed = {.figure = dice.any_of(kFigures),
                         .colour = dice.any_of(kColours),
                         .row = 0,
                         .column = 0,
                         .radius = unit * dice.between(2, 3)};
  placed.row = place(shape[0], placed.radius);
  placed.column = place(shape[1], placed.radius);
  return placed;
}

/// Sound starts and ends at rest, so that notes do not click.
constexpr std::int64_t kAttack = 32;
/// Samples a wave, for 133 to 222 Hz: do re mi sol la in just intonation (1, 10/9, 5/4, 3/2, 5/3).
constexpr std::array<std::int64_t, 5> kPeriods = {30, 27, 24, 20, 18};
constexpr std::int64_t kLoudness = 16000;

class GeneratedItems : public ItemTokens {
 public:
  GeneratedItems(std::int64_t first, std::int64_t count, std::int64_t item_size, std::uint64_t seed,
                 std::vector<std::int64_t> shape)
      : ItemTokens(count, item_size), first_(first), seed_(seed), shape_(std::move(shape)) {}

 private:
  void read_item(std::int64_t index, std::span<std::uint8_t> item) const override {
    if (shape_.empty()) {
      play_tune(seed_, first_ + index, item);
    } else {
      draw_picture(seed_, first_ + index, shape_, item);
    }
  }

  std::int64_t first_;
  std::uint64_t seed_;
  std::vector<std::int64_t> shape_;  // empty = tunes
};

void check_size(const DataSettings& settings) {
  const std::vector<std::int64_t> shape = settings.picture_shape();
  if (!shape.empty() && std::min(shape[0], shape[1]) < 8) {
    throw SettingError(
        "data.shape",
        "got " + shape_text(shape) + ", expected at least 8 pixels a side for generated pictures");
  }
  if (shape.empty() && settings.sequence_length() < 512) {
    throw SettingError("data.sequence", "got " + std::to_string(settings.sequence_length()) +
                                            ", expected at least 512 for generated tunes");
  }
}

}  // namespace

void draw_picture(std::uint64_t seed, std::int64_t index, std::span<const std::int64_t> shape,
                  std::span<std::uint8_t> pixels) {
  Dice dice(seed, index);
  const Colour background = dice.any_of(kBackgrounds);
  const PlacedFigure figure = place_figure(dice, shape);
  const std::int64_t channels = shape[2];
  auto pixel = pixels.begin();
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    for (std::int64_t column = 0; column < shape[1]; ++column) {
      const Colour& colour = figure.covers(row, column) ? figure.colour : background;
      pixel = channels == 1 ? std::copy_n(colour.begin() + 3, 1, pixel)
                            : std::copy_n(colour.begin(), 3, pixel);
    }
  }
}

void play_tune(std::uint64_t seed, std::int64_t index, std::span<std::uint8_t> codes) {
  Dice dice(seed, index);
  const std::int64_t notes = dice.between(2, 3);
  const auto size = static_cast<std::int64_t>(codes.size());
  for (std::int64_t note = 0; note < notes; ++note) {
    const std::int64_t begin = size * note / notes;
    const std::int64_t length = size * (note + 1) / notes - begin;
    const std::int64_t period = dice.any_of(kPeriods);
    for (std::int64_t t = 0; t < length; ++t) {
      const std::int64_t loudness =
          kLoudness * std::min(t, kAttack) / kAttack * (length - t) / length;
      const std::int64_t triangle = 2 * std::abs(2 * (t % period) - period) - period;  // ±period
      codes[static_cast<std::size_t>(begin + t)] =
          mu_law_encode(static_cast<std::int16_t>(loudness * triangle / period));
    }
  }
}

DataSet open_generated(const DataSettings& settings) {
  check_size(settings);
  const std::vector<std::int64_t> shape = settings.picture_shape();
  const std::int64_t size = settings.sequence_length();
  const auto seed = static_cast<std::uint64_t>(settings.generated.seed);
  DataSet data;
  data.is_generated = true;
  data.source = shape.empty() ? "generated tunes" : "generated pictures";
  refuse_split_paths(settings.split, data.source);
  const SplitCounts counts = split_counts(settings.split, settings.generated.items, data.source);
  const auto items = [&](std::int64_t first, std::int64_t count) {
    return std::make_shared<GeneratedItems>(first, count, size, seed, shape);
  };
  data.format = shape.empty() ? TokenFormat{.kind = TokenFormat::Kind::kSound,
                                            .shape = {},
                                            .sample_rate = kTuneSampleRate}
                              : TokenFormat{.kind = TokenFormat::Kind::kPicture, .shape = shape};
  data.item_size = size;
  data.train = items(0, counts.train);
  data.valid = items(counts.train, counts.valid);
  data.test = items(counts.train + counts.valid, counts.test);
  return data;
}

}  // namespace sparse_transformer
