#include "files/png.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "config/errors.h"
#include "files/big_endian.h"
#include "files/exif.h"
#include "files/usual_png.h"

namespace sparse_transformer {

namespace {

using Text = std::map<std::string, std::string>;

/// Of a chunk that is no pixels: libpng's usual limit, which not every build of it has. Without one
/// it takes (and clears) whatever a damaged length says.
constexpr png_alloc_size_t kMaxChunk = 8'000'000;

/// libpng reports errors by longjmp, which runs no destructors. So whatever has one lives here or
/// with the caller, and the callbacks and bodies that libpng may leave own nothing.
struct Session {
  std::string error;  // libpng's words, not for the user
  std::span<const std::byte> unread;
  std::vector<std::byte> written;
};

constexpr const char* kCutOff = "it is cut off";

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  static_cast<Session*>(png_get_error_ptr(png))->error = message;
  png_longjmp(png, 1);
}

void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}

void on_read(png_structp png, png_bytep out, std::size_t count) {
  auto& unread = static_cast<Session*>(png_get_io_ptr(png))->unread;
  if (count > unread.size()) png_error(png, kCutOff);
  std::memcpy(out, unread.data(), count);
  unread = unread.subspan(count);
}

void on_write(png_structp png, png_bytep bytes, std::size_t count) {
  auto& written = static_cast<Session*>(png_get_io_ptr(png))->written;
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  written.insert(written.end(), begin, begin + count);
}

void on_flush(png_structp /*png*/) {}

/// Runs a body of libpng calls; false where libpng reported an error.
template <typename Body>
bool succeeds(png_structp png, const Body& body) {
  // NOLINTNEXTLINE(modernize-avoid-setjmp-longjmp): libpng has no other way
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  body();
  return true;
}

/// Where each row of the image begins, as libpng wants it.
std::vector<png_bytep> rows_of(Image& image) {
  std::vector<png_bytep> rows;
  for (std::int64_t y = 0; y < image.height; ++y) {
    rows.push_back(image.pixels.data() + y * image.width * image.channels);
  }
  return rows;
}

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string utf8_of_latin1(const char* latin1) {
  std::string utf8;
  for (const char* c = latin1; *c != '\0'; ++c) {
    const auto code = static_cast<unsigned char>(*c);
    if (code >= 0x80) utf8 += static_cast<char>(0xC0 | (code >> 6));
    utf8 += static_cast<char>(code >= 0x80 ? 0x80 | (code & 0x3F) : code);
  }
  return utf8;
}

/// How many bytes the whole chunks (length, type, content, checksum) at the front of the file have,
/// and whether the last of them is the file's end. (libpng takes as much memory as a length says
/// before it reads the content.)
struct WholeChunks {
  std::size_t size;
  bool has_end;
};

WholeChunks whole_chunks(std::span<const std::byte> bytes) {
  constexpr std::size_t kSignature = 8;
  constexpr std::size_t kFrame = 12;  // what a chunk has beside its content
  auto rest = bytes.subspan(std::min(kSignature, bytes.size()));
  while (!rest.empty()) {
    if (rest.size() < kFrame || big_endian(rest) > rest.size() - kFrame) break;
    const std::string_view type(reinterpret_cast<const char*>(rest.data()) + 4, 4);
    rest = rest.subspan(kFrame + big_endian(rest));
    if (type == "IEND") return {bytes.size() - rest.size(), true};  // what follows is not read
  }
  return {bytes.size() - rest.size(), false};
}

/// The whole chunks of a file that has lost its end, with an end.
std::vector<std::byte> with_end(std::span<const std::byte> bytes) {
  constexpr std::string_view kEnd("\0\0\0\0IEND\xae\x42\x60\x82", 12);
  const auto end = std::as_bytes(std::span(kEnd));
  const auto whole = bytes.first(whole_chunks(bytes).size);
  std::vector<std::byte> file(whole.begin(), whole.end());
  file.insert(file.end(), end.begin(), end.end());
  return file;
}

class Reader {
 public:
  /// `has_lost_end`: the bytes are those of with_end(), so what is missing has been cut off.
  Reader(std::span<const std::byte> bytes, const std::string& name, bool has_lost_end = false)
      : name_(name),
        has_lost_end_(has_lost_end),
        png_(png_create_read_struct(PNG_LIBPNG_VER_STRING, &session_, on_error, on_warning)),
        info_(png_create_info_struct(png_)) {
    session_.unread = bytes;
    png_set_read_fn(png_, &session_, on_read);
    png_set_chunk_malloc_max(png_, std::max<png_alloc_size_t>(kMaxChunk, bytes.size()));
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_picture_size() has them
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Image read_image() {
    guarded([&] {
      if (!whole_chunks(session_.unread).has_end) png_error(png_, kCutOff);
    });
    guarded([&] { png_read_info(png_, info_); });
    check_picture_size(png_get_image_width(png_, info_), png_get_image_height(png_, info_), name_);
    guarded([&] { choose_format(); });
    Image image = black_image(png_get_image_width(png_, info_), png_get_image_height(png_, info_),
                              png_get_channels(png_, info_));
    std::vector<png_bytep> rows = rows_of(image);
    guarded([&] {
      png_read_image(png_, rows.data());
      png_read_end(png_, info_);
    });
    return upright(std::move(image), orientation());
  }

  /// After read_image(): texts may stand behind the image.
  Text text() const {
    png_textp entries = nullptr;
    const int count = png_get_text(png_, info_, &entries, nullptr);
    Text text;
    for (const png_text& entry : std::span(entries, static_cast<std::size_t>(count))) {
      const bool is_utf8 = entry.compression >= PNG_ITXT_COMPRESSION_NONE;
      text[utf8_of_latin1(entry.key)] = is_utf8 ? entry.text : utf8_of_latin1(entry.text);
    }
    return text;
  }

 private:
  /// Asks for 8-bit grey or RGB.
  void choose_format() {
    constexpr png_color_16 kWhite = {
        .index = 0, .red = 255, .green = 255, .blue = 255, .gray = 255};
    png_set_palette_to_rgb(png_);
    png_set_expand_gray_1_2_4_to_8(png_);
    png_set_tRNS_to_alpha(png_);
    png_set_scale_16(png_);
    png_set_gamma(png_, 1.0, 1.0);  // whatever the file says: else it would be laid on otherwise
    png_set_background(png_, &kWhite, PNG_BACKGROUND_GAMMA_SCREEN, 0, 1.0);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  /// After the pixels: the chunks may stand behind them.
  int orientation() const {
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    png_get_eXIf_1(png_, info_, &size, &exif);
    if (const auto found = exif_orientation(std::as_bytes(std::span(exif, size)))) return *found;
    const Text texts = text();
    for (const char* kind : {"exif", "APP1"}) {
      const auto profile = texts.find(std::string(kRawProfile) + kind);
      if (profile == texts.end()) continue;
      if (const auto found = exif_orientation(raw_profile(profile->second))) return *found;
    }
    const auto xmp = texts.find(std::string(kXmp));
    return xmp == texts.end() ? 1 : xmp_orientation(xmp->second).value_or(1);
  }

  template <typename Body>
  void guarded(const Body& body) {
    if (succeeds(png_, body)) return;
    if (says("emory")) throw std::bad_alloc();
    if (says("unhandled critical chunk")) {
      throw UserError(name_ + ": a PNG of another kind than the standard's: " + chunk() +
                      " is none of its chunks");
    }
    throw UserError(name_ + " is not a whole PNG: " + fault());
  }

  bool says(std::string_view words) const {
    return session_.error.find(words) != std::string::npos;
  }

  std::string fault() const {
    if (has_lost_end_ || says(kCutOff)) return kCutOff;
    if (chunk().empty()) return "it is damaged";
    if (says("Not enough image data")) return "pixels are missing";
    const bool is_astray = says("out of place") || says("issing");
    return "its chunk " + chunk() +
           (says("CRC") ? " has a wrong checksum"
            : is_astray ? " is out of place"
                        : " is damaged");
  }

  /// The name of the chunk that libpng has come to; empty where it is none.
  std::string chunk() const {
    const png_uint_32 type = png_get_io_chunk_type(png_);
    std::string name;
    for (const unsigned shift : {24U, 16U, 8U, 0U}) name += static_cast<char>(type >> shift & 0xFF);
    const bool is_name = std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    });
    return is_name ? name : "";
  }

  const std::string& name_;
  bool has_lost_end_;
  Session session_;
  png_structp png_;
  png_infop info_;
};

class Writer {
 public:
  Writer()
      : png_(png_create_write_struct(PNG_LIBPNG_VER_STRING, &session_, on_error, on_warning)),
        info_(png_create_info_struct(png_)) {
    png_set_write_fn(png_, &session_, on_write, on_flush);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { png_destroy_write_struct(&png_, &info_); }

  std::vector<std::byte> write(Image image, const Text& text) {
    std::vector<png_text> entries = entries_of(text);
    std::vector<png_bytep> rows = rows_of(image);
    const bool succeeded = succeeds(png_, [&] {
      png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width),
                   static_cast<png_uint_32>(image.height), 8,
                   image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                   PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
      png_set_text(png_, info_, entries.data(), static_cast<int>(entries.size()));
      png_write_info(png_, info_);
      png_write_image(png_, rows.data());
      png_write_end(png_, info_);
    });
    if (!succeeded) throw std::logic_error("cannot encode a PNG: " + session_.error);
    return std::move(session_.written);
  }

 private:
  /// tEXt where ASCII will do, iTXt otherwise. libpng reads the strings only, though its type is
  /// not const.
  static std::vector<png_text> entries_of(const Text& text) {
    std::vector<png_text> entries;
    for (const auto& [key, value] : text) {
      png_text entry{};
      entry.compression = is_ascii(value) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
      entry.key = const_cast<char*>(key.c_str());
      entry.text = const_cast<char*>(value.c_str());
      entries.push_back(entry);
    }
    return entries;
  }

  Session session_;
  png_structp png_;
  png_infop info_;
};

}  // namespace

std::vector<std::byte> encode_png(const Image& image, const Text& text) {
  const auto bytes = static_cast<std::size_t>(image.width * image.height * image.channels);
  if ((image.channels != 1 && image.channels != 3) || image.pixels.size() != bytes) {
    throw std::logic_error("an image of " + std::to_string(image.width) + " x " +
                           std::to_string(image.height) + " x " + std::to_string(image.channels) +
                           " has " + std::to_string(image.pixels.size()) + " bytes");
  }
  return Writer().write(image, text);
}

Image decode_png(std::span<const std::byte> bytes, const std::string& name,
                 std::vector<std::string>* warnings) {
  if (std::optional<Image> usual = decode_usual_png(bytes, name)) return std::move(*usual);
  if (warnings == nullptr || whole_chunks(bytes).has_end) return Reader(bytes, name).read_image();
  const std::vector<std::byte> mended = with_end(bytes);
  Image image = Reader(mended, name, /*has_lost_end=*/true).read_image();
  warnings->push_back(name + ": it is cut off after its pixels");
  return image;
}

Text read_png_text(std::span<const std::byte> bytes, const std::string& name) {
  Reader reader(bytes, name);
  reader.read_image();
  return reader.text();
}

}  // namespace sparse_transformer
