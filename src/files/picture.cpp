#include "files/picture.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "config/errors.h"
#include "files/jpeg.h"
#include "files/png.h"

namespace sparse_transformer {

namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t at;
  std::string_view bytes, kind;
};

/// How files of pictures begin that are not read.
constexpr std::array kOtherKinds = {
    Signature{0, "GIF87a", "a GIF"},
    Signature{0, "GIF89a", "a GIF"},
    Signature{8, "WEBP", "a WebP"},
    Signature{4, "ftypavif", "an AVIF"},
    Signature{4, "ftypavis", "an AVIF"},
    Signature{4, "ftyphe", "a HEIC"},
    Signature{4, "ftypmif1", "a HEIF"},
    Signature{4, "ftypmsf1", "a HEIF"},
    Signature{4, "jP  \r\n\x87\n", "a JPEG 2000"},
    Signature{0, "\xff\x4f\xff\x51", "a JPEG 2000"},
    Signature{4, "JXL \r\n\x87\n", "a JPEG XL"},
    Signature{0, "\xff\x0a", "a JPEG XL"},
    Signature{0, "II*\0"sv, "a TIFF"},
    Signature{0, "MM\0*"sv, "a TIFF"},
    Signature{0, "II+\0"sv, "a BigTIFF"},
    Signature{0, "MM\0+"sv, "a BigTIFF"},
    Signature{0, "\x8aMNG\r\n\x1a\n", "an MNG"},
    Signature{0, "\x8bJNG\r\n\x1a\n", "a JNG"},
    Signature{0, "8BPS", "a Photoshop picture"},
    Signature{0, "gimp xcf", "a GIMP picture"},
    Signature{0, "\0\0\1\0"sv, "an icon (ICO)"},
    Signature{0, "\0\0\2\0"sv, "a cursor (CUR)"},
    Signature{0, "icns", "an icon (ICNS)"},
    Signature{0, "DDS ", "a DDS"},
    Signature{0, "\x0a\x05\x01", "a PCX"},
    Signature{0, "Pf\n", "a PFM"},
    Signature{0, "PF\n", "a PFM"},
    Signature{0, "BLP", "a BLP"},
    Signature{0, "qoif", "a QOI"},
    Signature{0, "SIMPLE  =", "a FITS"},
    Signature{0, "\x01\xda", "an SGI picture"},
    Signature{0, "\x59\xa6\x6a\x95", "a Sun raster picture"},
    Signature{0, "\x76\x2f\x31\x01", "an OpenEXR"},
    Signature{0, "#?RADIANCE", "a Radiance picture (HDR)"},
    Signature{4, "\x11\xaf", "an FLI"},
    Signature{4, "\x12\xaf", "an FLC"},
    Signature{0, "/* XPM", "an XPM"},
    Signature{0, "<svg", "an SVG"},
    Signature{0, "%!PS", "a PostScript file"},
    Signature{0, "\xc5\xd0\xd3\xc6", "a PostScript file"},
    Signature{0, "%PDF", "a PDF"},
    Signature{0, "\xd7\xcd\xc6\x9a", "a WMF"},
};

/// "P" and a digit, then a blank.
bool is_portable_map(std::string_view file) {
  return file.size() > 2 && file[0] == 'P' && file[1] >= '1' && file[1] <= '7' &&
         " \t\r\n"sv.find(file[2]) != std::string_view::npos;
}

/// "BM", a size, and four bytes of zero.
bool is_bitmap(std::string_view file) {
  return file.starts_with("BM") && file.size() > 10 && file.substr(6, 4) == "\0\0\0\0"sv;
}

std::string kind_of(std::string_view file) {
  if (file.empty()) return "empty";
  if (file.starts_with("\x89PNG")) return "a PNG that was damaged by a transfer as text";
  if (is_portable_map(file)) return "a PNM";
  if (is_bitmap(file)) return "a BMP";
  if (file.ends_with("TRUEVISION-XFILE.\0"sv)) return "a TGA";
  for (const auto& [at, bytes, kind] : kOtherKinds) {
    if (file.substr(std::min(at, file.size())).starts_with(bytes)) return std::string(kind);
  }
  return "not a picture";
}

}  // namespace

Image decode_picture(std::span<const std::byte> bytes, const std::string& name, std::int64_t enough,
                     std::vector<std::string>* warnings) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(bytes, name, warnings);
  if (text.starts_with("\xff\xd8\xff")) return decode_jpeg(bytes, name, enough, warnings);
  throw UserError(name + ": " + kind_of(text) + "; expected PNG or JPEG");
}

}  // namespace sparse_transformer
