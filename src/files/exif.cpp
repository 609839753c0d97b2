#include "files/exif.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace sparse_transformer {

namespace {

/// Numbers of either byte order; 0 where they would lie past the end.
class TiffBytes {
 public:
  explicit TiffBytes(std::span<const std::byte> bytes)
      : bytes_(bytes), little_(!bytes.empty() && bytes[0] == std::byte{'I'}) {}

  std::uint32_t number(std::size_t at, std::size_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value =
          value << 8 | std::to_integer<std::uint32_t>(bytes_[at + (little_ ? size - 1 - i : i)]);
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool little_;
};

/// The types of integers that a field may have: 8, 16 or 32 bits, unsigned or signed. An
/// orientation is positive, so the sign makes no difference.
std::size_t size_of_type(std::uint32_t type) {
  switch (type) {
    case 1:  // BYTE
    case 6:  // SBYTE
      return 1;
    case 3:  // SHORT
    case 8:  // SSHORT
      return 2;
    case 4:  // LONG
    case 9:  // SLONG
      return 4;
    default:
      return 0;
  }
}

int valid_orientation(std::uint32_t value) {
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

std::span<const std::byte> without_prefix(std::span<const std::byte> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  const std::string_view text(reinterpret_cast<const char*>(exif.data()), exif.size());
  return text.starts_with(kPrefix) ? exif.subspan(kPrefix.size()) : exif;
}

}  // namespace

std::optional<int> exif_orientation(std::span<const std::byte> exif) {
  constexpr std::uint32_t kTiff = 42, kSwappedTiff = 42 << 8;  // some files mix the byte orders
  constexpr std::uint32_t kOrientation = 0x0112;
  constexpr std::size_t kEntry = 12;  // bytes: tag, type, count, value

  const TiffBytes tiff(without_prefix(without_prefix(exif)));  // some files have it twice
  const std::uint32_t magic = tiff.number(2, 2);
  if (magic != kTiff && magic != kSwappedTiff) return std::nullopt;
  const std::size_t directory = tiff.number(4, 4);
  const std::size_t entries = tiff.number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntry;
    const std::size_t size = size_of_type(tiff.number(entry + 2, 2));
    const std::size_t count = tiff.number(entry + 4, 4);
    if (tiff.number(entry, 2) != kOrientation || size * count == 0) continue;
    const std::size_t field = entry + 8;  // holds the values, or where they are
    return valid_orientation(tiff.number(size * count <= 4 ? field : tiff.number(field, 4), size));
  }
  return std::nullopt;
}

std::optional<int> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  // = and a quotation mark before an attribute's value, > before an element's
  constexpr std::string_view kBeforeValue = "=>\"' \t\r\n", kDigits = "0123456789";
  for (std::size_t at = 0; (at = xmp.find(kName, at)) != std::string_view::npos;) {
    at += kName.size();
    const std::size_t begin = std::min(xmp.find_first_not_of(kBeforeValue, at), xmp.size());
    const std::size_t end = std::min(xmp.find_first_not_of(kDigits, begin), xmp.size());
    const bool has_value =
        end > begin && xmp.substr(at, begin - at).find_first_of("=>") != std::string_view::npos;
    if (!has_value) continue;
    return end - begin == 1 ? valid_orientation(static_cast<std::uint32_t>(xmp[begin] - '0')) : 1;
  }
  return std::nullopt;
}

std::vector<std::byte> raw_profile(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  for (int word = 0; word < 2; ++word) {  // the name and the number of bytes
    text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
    text.remove_prefix(std::min(text.find_first_of(kSpace), text.size()));
  }
  const auto digit_of = [](char c) {
    const std::size_t value = std::string_view("0123456789abcdefABCDEF").find(c);
    if (value == std::string_view::npos) return -1;
    return static_cast<int>(value < 16 ? value : value - 6);
  };
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char c : text) {
    if (kSpace.find(c) != std::string_view::npos) continue;
    const int value = digit_of(c);
    if (value < 0) break;
    if (high >= 0) bytes.push_back(static_cast<std::byte>(high << 4 | value));
    high = high >= 0 ? -1 : value;
  }
  return bytes;
}

}  // namespace sparse_transformer
