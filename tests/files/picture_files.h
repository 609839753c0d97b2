// Files of every kind of PNG and JPEG, made by libpng and libjpeg themselves.
#pragma once

#include <cstdint>
#include <cstdio>
//
#include <jpeglib.h>
#include <png.h>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "files/image.h"

namespace sparse_transformer {

/// A block of EXIF that says the orientation and something before it.
inline std::vector<std::uint8_t> exif_block(int orientation, bool little = true) {
  std::vector<std::uint8_t> block;
  const auto number = [&](unsigned value, int size) {
    for (int i = 0; i < size; ++i) {
      block.push_back(static_cast<std::uint8_t>(value >> 8 * (little ? i : size - 1 - i)));
    }
  };
  for (int i = 0; i < 2; ++i) block.push_back(little ? 'I' : 'M');
  number(42, 2);
  number(8, 4);
  number(2, 2);  // entries: tag, type (3 = 16 bits), count, value
  for (const auto& [tag, value] :
       {std::pair(0x0100U, 640U), {0x0112U, static_cast<unsigned>(orientation)}}) {
    number(tag, 2);
    number(3, 2);
    number(1, 4);
    number(value, 2);
    number(0, 2);
  }
  number(0, 4);
  return block;
}

/// The same as text, as ImageMagick writes it.
inline std::string exif_profile(int orientation) {
  std::string hexadecimal = "457869660000";  // "Exif" and two zeros
  for (const std::uint8_t byte : exif_block(orientation)) {
    for (const int digit : {byte >> 4, byte & 15}) hexadecimal += "0123456789abcdef"[digit];
  }
  std::string text = "\nexif\n      " + std::to_string(hexadecimal.size() / 2) + "\n";
  for (std::size_t i = 0; i < hexadecimal.size(); i += 72) text += hexadecimal.substr(i, 72) + "\n";
  return text;
}

/// What libpng is to write: rows as they lie in the file, before interlacing.
struct PngFile {
  int colours = PNG_COLOR_TYPE_GRAY, bits = 8;
  bool interlaced = false;
  std::int64_t width = 1, height = 1;
  std::vector<std::vector<std::uint8_t>> rows;
  std::vector<png_color> palette = {};
  std::vector<std::uint8_t> palette_alpha = {};  // of the palette's first entries
  std::optional<png_color_16> transparent = {};  // the one colour that is
  std::vector<std::uint8_t> exif = {};
  std::optional<double> gamma = {};
  std::string compressed_key = {}, compressed_text = {};  // a chunk zTXt
};

inline std::vector<std::byte> make_png(PngFile file) {
  std::vector<std::byte> bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &bytes,
      [](png_structp self, png_bytep data, std::size_t size) {
        auto& out = *static_cast<std::vector<std::byte>*>(png_get_io_ptr(self));
        const auto* begin = reinterpret_cast<const std::byte*>(data);
        out.insert(out.end(), begin, begin + size);
      },
      [](png_structp) {});
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_IHDR(png, info, static_cast<png_uint_32>(file.width),
               static_cast<png_uint_32>(file.height), file.bits, file.colours,
               file.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!file.palette.empty()) {
    png_set_PLTE(png, info, file.palette.data(), static_cast<int>(file.palette.size()));
  }
  if (!file.palette_alpha.empty() || file.transparent) {
    png_set_tRNS(png, info, file.palette_alpha.data(), static_cast<int>(file.palette_alpha.size()),
                 file.transparent ? &*file.transparent : nullptr);
  }
  if (!file.exif.empty()) {
    png_set_eXIf_1(png, info, static_cast<png_uint_32>(file.exif.size()), file.exif.data());
  }
  if (file.gamma) png_set_gAMA(png, info, *file.gamma);
  if (!file.compressed_key.empty()) {
    png_text text{};
    text.compression = PNG_TEXT_COMPRESSION_zTXt;
    text.key = file.compressed_key.data();
    text.text = file.compressed_text.data();
    png_set_text(png, info, &text, 1);
  }
  std::vector<png_bytep> rows;
  for (auto& row : file.rows) rows.push_back(row.data());
  png_write_info(png, info);
  png_write_image(png, rows.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

/// What libjpeg is to write. Pixels of 1, 3 or 4 channels, 4 being CMYK.
struct JpegFile {
  Image image;
  int quality = 95;
  bool progressive = false;
  std::vector<jpeg_scan_info> scans = {};  // else as libjpeg chooses
  bool ycck = false;                       // else CMYK stays as it is
  bool adobe = true;                       // of CMYK: says so; YCCK always does
  std::vector<std::uint8_t> exif = {};
};

inline std::vector<std::byte> make_jpeg(JpegFile file) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &buffer, &size);
  const std::int64_t channels = file.image.channels;
  jpeg.image_width = static_cast<JDIMENSION>(file.image.width);
  jpeg.image_height = static_cast<JDIMENSION>(file.image.height);
  jpeg.input_components = static_cast<int>(channels);
  jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  if (file.ycck) jpeg_set_colorspace(&jpeg, JCS_YCCK);
  if (!file.adobe) jpeg.write_Adobe_marker = FALSE;
  jpeg_set_quality(&jpeg, file.quality, TRUE);
  if (file.progressive) jpeg_simple_progression(&jpeg);
  if (!file.scans.empty()) {
    jpeg.scan_info = file.scans.data();
    jpeg.num_scans = static_cast<int>(file.scans.size());
  }
  jpeg_start_compress(&jpeg, TRUE);
  if (!file.exif.empty()) {
    std::vector<std::uint8_t> marker = {'E', 'x', 'i', 'f', 0, 0};
    marker.insert(marker.end(), file.exif.begin(), file.exif.end());
    jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker.data(), static_cast<unsigned>(marker.size()));
  }
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = file.image.pixels.data() + jpeg.next_scanline * file.image.width * channels;
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  const auto* begin = reinterpret_cast<const std::byte*>(buffer);
  std::vector<std::byte> bytes(begin, begin + size);
  jpeg_destroy_compress(&jpeg);
  std::free(buffer);  // libjpeg took it by malloc
  return bytes;
}

/// A smooth picture, which a JPEG keeps to a few levels.
inline Image smooth_image(std::int64_t width, std::int64_t height, std::int64_t channels) {
  Image image = black_image(width, height, channels);
  auto pixel = image.pixels.begin();
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const double phase = 3.0 * static_cast<double>(x) / static_cast<double>(width) +
                             2.0 * static_cast<double>(y) / static_cast<double>(height) +
                             static_cast<double>(channel);
        *pixel++ = static_cast<std::uint8_t>(std::lround(127.5 + 100 * std::sin(phase)));
      }
    }
  }
  return image;
}

/// The largest difference of two pictures' pixels; 256 where their shapes differ.
inline int largest_difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.channels != b.channels) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  }
  return largest;
}

}  // namespace sparse_transformer
