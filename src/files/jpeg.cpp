#include "files/jpeg.h"

// jpeglib.h needs FILE and size_t.
#include <cstdio>
//
#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <iterator>
#include <new>
#include <string_view>
#include <vector>

#include "config/errors.h"
#include "files/exif.h"

namespace sparse_transformer {

namespace {

constexpr int kMaxScans = 100;                  // a progressive file has some ten
constexpr int kMetadataMarker = JPEG_APP0 + 1;  // EXIF and XMP
constexpr unsigned kMaxMarker = 0xFFFF;

/// libjpeg reports errors by what `manager.error_exit` does, which must not return: it jumps to
/// `out`, past everything that libjpeg has on the stack. Its first member, as libjpeg knows it.
struct Session {
  jpeg_error_mgr manager{};
  jpeg_progress_mgr progress{};
  std::jmp_buf out{};
  bool is_cut = false;  // there is no marker of its end
  bool has_too_many_scans = false;
};

Session& session_of(j_common_ptr jpeg) { return *reinterpret_cast<Session*>(jpeg->err); }

[[noreturn]] void on_error(j_common_ptr jpeg) {
  // NOLINTNEXTLINE(modernize-avoid-setjmp-longjmp): libjpeg has no other way
  std::longjmp(session_of(jpeg).out, 1);
}

/// Level -1 is a warning, above that chatter. A warning means that pixels were lost and made up,
/// which is an error here, except for these about stray bytes and odd headers.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (session_of(jpeg).manager.msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
      return;
    case JWRN_JPEG_EOF:  // libjpeg continues as if the marker of the end were there
      session_of(jpeg).is_cut = true;
      return;
    default:
      on_error(jpeg);
  }
}

/// Each scan costs a pass over the whole picture, however few bytes it has.
void on_progress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMaxScans) return;
  session_of(jpeg).has_too_many_scans = true;
  // NOLINTNEXTLINE(modernize-avoid-setjmp-longjmp)
  std::longjmp(session_of(jpeg).out, 1);
}

/// Runs a body of libjpeg calls, which owns nothing; false where libjpeg reported an error.
template <typename Body>
bool succeeds(Session& session, const Body& body) {
  // NOLINTNEXTLINE(modernize-avoid-setjmp-longjmp)
  if (setjmp(session.out) != 0) return false;
  body();
  return true;
}

class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {
    jpeg_.err = jpeg_std_error(&session_.manager);
    session_.manager.error_exit = on_error;
    session_.manager.emit_message = on_message;
    guarded([&] {
      jpeg_create_decompress(&jpeg_);
      session_.progress.progress_monitor = on_progress;
      jpeg_.progress = &session_.progress;
    });
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { jpeg_destroy_decompress(&jpeg_); }

  Image read(std::span<const std::byte> bytes, std::int64_t enough,
             std::vector<std::string>* warnings) {
    guarded([&] {
      jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      jpeg_save_markers(&jpeg_, kMetadataMarker, kMaxMarker);
      jpeg_read_header(&jpeg_, TRUE);
    });
    const int way_up = orientation();
    check_picture_size(jpeg_.image_width, jpeg_.image_height, name_);
    choose_colours();
    choose_scale(enough);
    guarded([&] { jpeg_calc_output_dimensions(&jpeg_); });
    Image image = black_image(jpeg_.output_width, jpeg_.output_height, channels());
    std::vector<JSAMPLE> line(is_cmyk() ? std::size_t{4} * jpeg_.output_width : 0);
    guarded([&] { read_lines(image, line); });
    if (session_.is_cut) {
      if (!has_all_scans_ || warnings == nullptr) fail();
      warnings->push_back(name_ + ": it is cut off after its pixels");
    }
    return upright(std::move(image), way_up);
  }

 private:
  void choose_colours() {
    switch (jpeg_.jpeg_color_space) {
      case JCS_GRAYSCALE:
        jpeg_.out_color_space = JCS_GRAYSCALE;
        return;
      case JCS_RGB:
      case JCS_YCbCr:
        jpeg_.out_color_space = JCS_RGB;
        return;
      case JCS_CMYK:
      case JCS_YCCK:
        jpeg_.out_color_space = JCS_CMYK;
        return;
      default:
        throw UserError(name_ + ": a JPEG of " + std::to_string(jpeg_.num_components) +
                        " channels; expected grey, RGB or CMYK");
    }
  }

  void choose_scale(std::int64_t enough) {
    if (enough <= 0) return;
    const auto side = static_cast<std::int64_t>(std::min(jpeg_.image_width, jpeg_.image_height));
    while (jpeg_.scale_denom < 8 && side / (2 * std::int64_t{jpeg_.scale_denom}) >= 4 * enough) {
      jpeg_.scale_denom *= 2;
    }
  }

  bool is_cmyk() const { return jpeg_.out_color_space == JCS_CMYK; }
  std::int64_t channels() const { return jpeg_.out_color_space == JCS_GRAYSCALE ? 1 : 3; }

  void read_lines(Image& image, std::span<JSAMPLE> line) {
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = image.pixels.data() + jpeg_.output_scanline * image.width * image.channels;
      JSAMPROW target = is_cmyk() ? line.data() : row;
      jpeg_read_scanlines(&jpeg_, &target, 1);
      if (is_cmyk()) to_rgb(line, row);
    }
    has_all_scans_ = has_all_scans();
    jpeg_finish_decompress(&jpeg_);
  }

  /// Whether nothing can follow: a scan that ends early is an error, but one that is missing is
  /// none to libjpeg.
  bool has_all_scans() {
    if (jpeg_.arith_code != 0) return false;  // its data end in zeros that need not be there
    if (jpeg_has_multiple_scans(&jpeg_) == 0) return true;
    if (jpeg_.coef_bits == nullptr) return false;
    for (int channel = 0; channel < jpeg_.num_components; ++channel) {
      const auto& missing_bits = jpeg_.coef_bits[channel];
      if (std::any_of(std::begin(missing_bits), std::end(missing_bits),
                      [](int bits) { return bits != 0; })) {
        return false;
      }
    }
    return true;
  }

  /// As Adobe's files do, they hold 255 for no ink. Those that do not say so are taken for such,
  /// too (Pillow does the same).
  static void to_rgb(std::span<const JSAMPLE> cmyk, JSAMPROW rgb) {
    for (std::size_t i = 0; i < cmyk.size(); i += 4) {
      for (std::size_t ink = 0; ink < 3; ++ink) {
        *rgb++ = static_cast<JSAMPLE>((cmyk[i + ink] * cmyk[i + 3] + 127) / 255);
      }
    }
  }

  /// After the header: libjpeg forgets the markers when it finishes.
  int orientation() const {
    constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
    std::string exif, xmp;  // EXIF of more than 64 KiB is in several markers
    for (const auto* marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view text(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (text.starts_with(kExif)) exif += text.substr(kExif.size());
      if (text.starts_with(kXmp)) xmp = text.substr(kXmp.size());
    }
    const auto found = exif_orientation(std::as_bytes(std::span(exif)));
    return found ? *found : xmp_orientation(xmp).value_or(1);
  }

  /// What a file is that may be whole, but of a kind that libjpeg does not read. Empty for other
  /// errors.
  std::string unread_kind() const {
    const int number = session_.manager.msg_parm.i[0];
    switch (session_.manager.msg_code) {
      case JERR_BAD_PRECISION:
        return number == 12 || number == 16 ? "a JPEG of " + std::to_string(number) + " bits" : "";
      case JERR_ARITH_NOTIMPL:
        return "a JPEG in arithmetic coding";
      case JERR_EMPTY_IMAGE:
        return jpeg_.image_width > 0 ? "a JPEG whose height comes after its pixels (DNL)" : "";
      case JERR_SOF_UNSUPPORTED:
        return number == 0xC3 || number == 0xCB ? "a lossless JPEG" : "a hierarchical JPEG";
      case JERR_UNKNOWN_MARKER:
        return number == 0xF7 ? "a JPEG-LS" : "";
      default:
        return "";
    }
  }

  template <typename Body>
  void guarded(const Body& body) {
    if (!succeeds(session_, body)) fail();
  }

  [[noreturn]] void fail() const {
    if (session_.manager.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    const std::string kind = unread_kind();
    if (!kind.empty()) {
      throw UserError(name_ + ": " + kind + "; expected a baseline or progressive one of 8 bits");
    }
    throw UserError(
        name_ + " is not a whole JPEG: " +
        (session_.has_too_many_scans ? "it has too many scans" : "it is damaged or cut off"));
  }

  const std::string& name_;
  Session session_;
  jpeg_decompress_struct jpeg_{};
  bool has_all_scans_ = false;
};

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name, std::int64_t enough,
                  std::vector<std::string>* warnings) {
  return Reader(name).read(bytes, enough, warnings);
}

}  // namespace sparse_transformer
