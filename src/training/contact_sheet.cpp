#include "training/contact_sheet.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "files/image.h"
#include "files/png.h"
#include "runtime/log.h"

namespace sparse_transformer {
namespace {

constexpr std::size_t kMostSteps = 12;
constexpr std::int64_t kGap = 16;  // pixels between the pictures
constexpr std::uint8_t kWhite = 255;

/// In colour. A picture that has been removed or changed since is left out: training goes on.
std::vector<Image> pictures_of(const RunFolder& run) {
  std::vector<Image> pictures;
  for (const std::int64_t step : run.sampled_steps(kMostSteps)) {
    const auto path = run.samples(step, ".png");
    try {
      const std::string png = read_file(path);
      pictures.push_back(
          with_channels(decode_png(std::as_bytes(std::span(png)), path.string()), 3));
    } catch (const UserError& error) {
      log_warning(std::string("samples/steps.png goes without one: ") + error.what());
    }
  }
  return pictures;
}

/// As many columns as make the sheet nearest to a square.
std::int64_t columns_for(std::int64_t count, std::int64_t width, std::int64_t height) {
  std::int64_t best = 1;
  double best_ratio = 0.0;
  for (std::int64_t columns = 1; columns <= count; ++columns) {
    const std::int64_t rows = (count + columns - 1) / columns;
    const auto across = static_cast<double>(columns * width);
    const auto down = static_cast<double>(rows * height);
    const double ratio = std::min(across, down) / std::max(across, down);
    if (ratio > best_ratio) best_ratio = ratio, best = columns;
  }
  return best;
}

void paste(Image& sheet, std::int64_t left, std::int64_t top, const Image& picture) {
  const std::int64_t channels = sheet.channels;
  for (std::int64_t row = 0; row < picture.height; ++row) {
    std::copy_n(picture.pixels.begin() + row * picture.width * channels, picture.width * channels,
                sheet.pixels.begin() + ((top + row) * sheet.width + left) * channels);
  }
}

Image sheet_of(const std::vector<Image>& pictures) {
  std::int64_t width = 0, height = 0;
  for (const Image& picture : pictures) {
    width = std::max(width, picture.width + kGap);
    height = std::max(height, picture.height + kGap);
  }
  const std::int64_t count = std::ssize(pictures);
  const std::int64_t columns = columns_for(count, width, height);
  const std::int64_t rows = (count + columns - 1) / columns;
  Image sheet = {columns * width, rows * height, 3, {}};
  sheet.pixels.assign(static_cast<std::size_t>(sheet.width * sheet.height * 3), kWhite);
  for (std::int64_t i = 0; i < count; ++i) {
    paste(sheet, i % columns * width + kGap / 2, i / columns * height + kGap / 2,
          pictures[static_cast<std::size_t>(i)]);
  }
  return sheet;
}

}  // namespace

void write_contact_sheet(const RunFolder& run) {
  const std::vector<Image> pictures = pictures_of(run);
  if (pictures.empty()) return;
  write_file(run.path() / "samples" / "steps.png",
             encode_png(sheet_of(pictures), {{"Software", "sparse-transformer"}}));
}

}  // namespace sparse_transformer
