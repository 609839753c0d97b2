#include "data/spectrogram.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>
#include <string>

#include "data/mu_law.h"
#include "files/canvas.h"

namespace sparse_transformer {

namespace {

constexpr std::size_t kWindow = 256;        // samples
constexpr std::size_t kBins = kWindow / 2;  // frequencies, each a pixel high
constexpr std::int64_t kMostColumns = 800;  // each a pixel wide
constexpr std::int64_t kFinestStep = 32;    // samples a column
constexpr std::size_t kMostSounds = 200;
constexpr double kRange = 70.0;                // dB
constexpr double kMargin = 52.0, kGap = 22.0;  // pixels: for the frequencies; between sounds
constexpr double kSmallest = 1e-12;            // a power that stands for silence
constexpr Colour kText{90, 90, 90};

using Spectrum = std::array<double, kBins>;  // powers

/// The discrete Fourier transform of one window, by its definition: a picture needs few.
class Fourier {
 public:
  Fourier() {
    for (std::size_t i = 0; i < kWindow; ++i) {
      const double angle = 2.0 * std::numbers::pi * static_cast<double>(i) / kWindow;
      cosine_[i] = std::cos(angle);
      sine_[i] = std::sin(angle);
    }
  }

  /// Of the window that begins at `begin`; behind the end there is silence.
  Spectrum at(const std::vector<std::uint8_t>& sound, std::size_t begin) const {
    std::array<double, kWindow> windowed{};
    for (std::size_t i = 0; i < kWindow && begin + i < sound.size(); ++i) {
      windowed[i] = mu_law_decode(sound[begin + i]) / 32768.0 * (0.5 - 0.5 * cosine_[i]);
    }
    Spectrum powers{};
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      double real = 0.0, imaginary = 0.0;
      for (std::size_t i = 0; i < kWindow; ++i) {
        const std::size_t angle = bin * i % kWindow;
        real += windowed[i] * cosine_[angle];
        imaginary += windowed[i] * sine_[angle];
      }
      powers[bin] = real * real + imaginary * imaginary;
    }
    return powers;
  }

 private:
  std::array<double, kWindow> cosine_{}, sine_{};
};

struct Spectrogram {
  std::int64_t step = kFinestStep;            // samples a column
  std::vector<std::vector<Spectrum>> sounds;  // [sounds, columns]
  double loudest = kSmallest;                 // power
  std::int64_t columns = 1;                   // of the longest
};

Spectrogram analyse(std::span<const std::vector<std::uint8_t>> samples) {
  Spectrogram result;
  std::int64_t longest = 0;
  for (const auto& sample : samples) longest = std::max(longest, std::ssize(sample));
  result.step = std::max(kFinestStep, (longest + kMostColumns - 1) / kMostColumns);
  result.columns = std::max<std::int64_t>(1, (longest + result.step - 1) / result.step);
  const Fourier fourier;
  for (const auto& sample : samples) {
    std::vector<Spectrum>& columns = result.sounds.emplace_back();
    for (std::int64_t begin = 0; begin < std::ssize(sample); begin += result.step) {
      columns.push_back(fourier.at(sample, static_cast<std::size_t>(begin)));
      result.loudest = std::max(result.loudest, *std::ranges::max_element(columns.back()));
    }
  }
  return result;
}

std::uint8_t grey(double power, double loudest) {
  const double below = 10.0 * std::log10(loudest / std::max(power, kSmallest));  // dB
  return static_cast<std::uint8_t>(255.0 * std::clamp(below / kRange, 0.0, 1.0));
}

void draw_sound(Canvas& canvas, double top, const std::vector<Spectrum>& columns, double loudest) {
  for (std::size_t column = 0; column < columns.size(); ++column) {
    for (std::size_t bin = 0; bin < kBins; ++bin) {
      const std::uint8_t shade = grey(columns[column][bin], loudest);
      canvas.fill_rectangle(kMargin + static_cast<double>(column),
                            top + static_cast<double>(kBins - 1 - bin), 1.0, 1.0,
                            {shade, shade, shade});
    }
  }
}

/// With one decimal.
std::string short_number(double number) {
  const std::int64_t tenths = std::llround(number * 10.0);
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10);
}

/// Frequencies at the left; seconds below.
void draw_scales(Canvas& canvas, double top, std::int64_t sample_rate, const Spectrogram& all) {
  const double bottom = top + kBins;
  const double highest = static_cast<double>(sample_rate) / 2000.0;  // kHz
  canvas.text(kMargin - 4.0, top + 10.0, short_number(highest) + " kHz", 10.0,
              Canvas::Align::kRight, kText);
  canvas.text(kMargin - 4.0, bottom, "0", 10.0, Canvas::Align::kRight, kText);
  const double seconds =
      static_cast<double>(all.columns * all.step) / static_cast<double>(sample_rate);
  canvas.text(kMargin, bottom + 12.0, "0", 10.0, Canvas::Align::kLeft, kText);
  canvas.text(kMargin + static_cast<double>(all.columns), bottom + 12.0,
              short_number(seconds) + " s", 10.0, Canvas::Align::kRight, kText);
}

}  // namespace

Image draw_spectrogram(std::int64_t sample_rate,
                       const std::vector<std::vector<std::uint8_t>>& samples) {
  const Spectrogram all = analyse(std::span(samples).first(std::min(samples.size(), kMostSounds)));
  const double step = static_cast<double>(kBins) + kGap;
  Canvas canvas(std::lround(kMargin) + all.columns + 8,
                std::lround(static_cast<double>(all.sounds.size()) * step));
  for (std::size_t sound = 0; sound < all.sounds.size(); ++sound) {
    const double top = static_cast<double>(sound) * step;
    draw_sound(canvas, top, all.sounds[sound], all.loudest);
    draw_scales(canvas, top, sample_rate, all);
  }
  return canvas.image();
}

}  // namespace sparse_transformer
