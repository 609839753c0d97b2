#include "files/resize.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace sparse_transformer {

namespace {

/// The pixels from `first` on that make one new pixel, along one axis; weights sum to 1.
struct Taps {
  std::int64_t first;
  std::vector<float> weights;
};

/// The taps of each of `count` new pixels that share [begin, begin + length) of `size` old ones.
std::vector<Taps> taps_of(double begin, double length, std::int64_t size, std::int64_t count) {
  const double step = length / static_cast<double>(count);
  const double reach = std::max(step, 1.0);
  std::vector<Taps> taps(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const double centre = begin + (static_cast<double>(i) + 0.5) * step;
    const auto first = std::clamp<std::int64_t>(std::llround(centre - reach), 0, size - 1);
    const auto end = std::clamp<std::int64_t>(std::llround(centre + reach), first + 1, size);
    auto& [start, weights] = taps[static_cast<std::size_t>(i)];
    start = first;
    for (std::int64_t pixel = first; pixel < end; ++pixel) {
      const double distance = std::abs(static_cast<double>(pixel) + 0.5 - centre);
      weights.push_back(static_cast<float>(std::max(0.0, 1 - distance / reach)));
    }
    const float sum = std::accumulate(weights.begin(), weights.end(), 0.0F);
    for (float& weight : weights) weight /= sum;
  }
  return taps;
}

/// One line as wide as the picture: the weighted mean of several.
void blend_rows(const Image& image, const Taps& taps, std::span<float> line) {
  std::fill(line.begin(), line.end(), 0.0F);
  const std::uint8_t* row = image.pixels.data() + taps.first * std::ssize(line);
  for (const float weight : taps.weights) {
    for (std::size_t i = 0; i < line.size(); ++i) line[i] += weight * static_cast<float>(row[i]);
    row += line.size();
  }
}

template <std::size_t channels>
std::uint8_t* blend_columns(std::span<const float> line, const std::vector<Taps>& columns,
                            std::uint8_t* target) {
  for (const Taps& taps : columns) {
    std::array<float, channels> sums;
    sums.fill(0.5F);  // what follows the point is cut off below
    const float* pixel = line.data() + taps.first * std::ssize(sums);
    for (const float weight : taps.weights) {
      for (std::size_t channel = 0; channel < channels; ++channel) {
        sums[channel] += weight * *pixel++;
      }
    }
    for (const float sum : sums) *target++ = static_cast<std::uint8_t>(std::min(sum, 255.0F));
  }
  return target;
}

/// On black, which is left at the sides or above and below.
Image padded(const Image& image, std::int64_t width, std::int64_t height) {
  Image result = black_image(width, height, image.channels);
  const std::int64_t left = (width - image.width) / 2;
  const std::int64_t top = (height - image.height) / 2;
  const std::int64_t line = image.width * image.channels;
  for (std::int64_t y = 0; y < image.height; ++y) {
    std::copy_n(image.pixels.begin() + y * line, line,
                result.pixels.begin() + ((top + y) * width + left) * image.channels);
  }
  return result;
}

}  // namespace

Image resize(const Image& image, const Box& box, std::int64_t width, std::int64_t height) {
  const std::vector<Taps> rows = taps_of(box.top, box.height, image.height, height);
  const std::vector<Taps> columns = taps_of(box.left, box.width, image.width, width);
  Image result = black_image(width, height, image.channels);
  std::vector<float> line(static_cast<std::size_t>(image.width * image.channels));
  std::uint8_t* target = result.pixels.data();
  for (const Taps& taps : rows) {
    blend_rows(image, taps, line);
    target = image.channels == 1 ? blend_columns<1>(line, columns, target)
                                 : blend_columns<3>(line, columns, target);
  }
  return result;
}

Image fit(const Image& image, std::int64_t width, std::int64_t height, Fit how) {
  const auto image_width = static_cast<double>(image.width);
  const auto image_height = static_cast<double>(image.height);
  const double by_width = image_width / static_cast<double>(width);  // old pixels a new one
  const double by_height = image_height / static_cast<double>(height);
  switch (how) {
    case Fit::kCrop: {
      const double scale = std::min(by_width, by_height);
      const Box box = {(image_width - scale * static_cast<double>(width)) / 2,
                       (image_height - scale * static_cast<double>(height)) / 2,
                       scale * static_cast<double>(width), scale * static_cast<double>(height)};
      return resize(image, box, width, height);
    }
    case Fit::kPad: {
      const double scale = std::max(by_width, by_height);
      const Image inner =
          fit(image, std::max<std::int64_t>(1, std::llround(image_width / scale)),
              std::max<std::int64_t>(1, std::llround(image_height / scale)), Fit::kStretch);
      return padded(inner, width, height);
    }
    case Fit::kStretch:
      return resize(image, {0, 0, image_width, image_height}, width, height);
  }
  throw std::logic_error("fit " + std::to_string(static_cast<int>(how)));
}

}  // namespace sparse_transformer
