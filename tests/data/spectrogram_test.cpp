#include "data/spectrogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/mu_law.h"

namespace sparse_transformer {
namespace {

using Sound = std::vector<std::uint8_t>;

constexpr std::int64_t kRate = 8000;
constexpr std::int64_t kLeft = 52;  // pixels, where the first column of sound is

Sound tone(double hertz, std::size_t length, double loudness = 1.0) {
  Sound sound;
  for (std::size_t i = 0; i < length; ++i) {
    const double phase = 2.0 * std::numbers::pi * hertz * static_cast<double>(i) / kRate;
    sound.push_back(mu_law_encode(static_cast<std::int16_t>(20000.0 * loudness * std::sin(phase))));
  }
  return sound;
}

int grey_at(const Image& image, std::int64_t x, std::int64_t y) {
  return image.pixels[static_cast<std::size_t>((y * image.width + x) * 3)];
}

/// The row of the darkest pixel of a column among the 128 of the sound whose picture begins at
/// `top`.
std::int64_t darkest_row(const Image& image, std::int64_t x, std::int64_t top) {
  std::int64_t darkest = 0;
  for (std::int64_t row = 0; row < 128; ++row) {
    if (grey_at(image, x, top + row) < grey_at(image, x, top + darkest)) darkest = row;
  }
  return darkest;
}

TEST(Spectrogram, AToneIsALineAtItsFrequency) {
  // A bin is 8,000 / 256 Hz; the lowest is at the bottom.
  const Image image = draw_spectrogram(kRate, {tone(1000.0, 4096), tone(3000.0, 4096)});
  EXPECT_EQ(image.height, 2 * (128 + 22));
  EXPECT_EQ(image.width, kLeft + 4096 / 32 + 8);
  for (const std::int64_t column : {0, 50, 100}) {
    EXPECT_EQ(darkest_row(image, kLeft + column, 0), 127 - 32);
    EXPECT_EQ(darkest_row(image, kLeft + column, 150), 127 - 96);
  }
}

TEST(Spectrogram, QuietIsLighterThanLoudAndSilenceIsWhite) {
  Sound sound = tone(1000.0, 2048);
  const Sound quiet = tone(1000.0, 2048, 0.03);  // 30 dB below
  sound.insert(sound.end(), quiet.begin(), quiet.end());
  sound.insert(sound.end(), 2048, mu_law_encode(0));
  const Image image = draw_spectrogram(kRate, {sound});
  EXPECT_EQ(grey_at(image, kLeft + 10, 95), 0);
  EXPECT_NEAR(grey_at(image, kLeft + 64 + 10, 95), 255 * 30 / 70, 8);
  EXPECT_EQ(grey_at(image, kLeft + 128 + 10, 95), 255);
}

TEST(Spectrogram, ManyLongShortAndEmptySoundsStayDrawable) {
  EXPECT_LE(draw_spectrogram(kRate, {Sound(100'000, 0x80)}).width, kLeft + 800 + 8);
  EXPECT_LT(draw_spectrogram(kRate, std::vector<Sound>(300, Sound(1, 0x80))).height, 32'000);
  EXPECT_EQ(draw_spectrogram(kRate, {Sound{}}).height, 150);
}

}  // namespace
}  // namespace sparse_transformer
