#include "files/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "config/errors.h"
#include "config/scalars.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

enum class Packing { kNone, kGzip, kOtherCompression, kZip, kTar };

/// A tar header says "ustar" at 257 and carries the sum of its own bytes, its own field counted as
/// blanks. Text that happens to say "ustar" there does not.
bool is_tar(std::string_view text) {
  constexpr std::size_t kSumAt = 148;
  constexpr std::size_t kSumLength = 8;
  if (text.size() < kArchiveHeader || text.substr(257, 5) != "ustar") return false;
  unsigned long sum = 0;
  for (std::size_t i = 0; i < kArchiveHeader; ++i) {
    const bool in_sum = i >= kSumAt && i < kSumAt + kSumLength;
    sum += in_sum ? ' ' : static_cast<unsigned char>(text[i]);
  }
  return sum == std::strtoul(std::string(text.substr(kSumAt, kSumLength)).c_str(), nullptr, 8);
}

/// bzip2's own magic, "BZh9", could begin a text: the block that follows has one too (or an empty
/// file's end).
bool is_bzip2(std::string_view text) {
  return text.starts_with("BZh") && text.size() >= 10 &&
         (text.substr(4, 6) == "1AY&SY" || text.substr(4, 6) == "\x17rE8P\x90");
}

Packing packing_of(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\x1f\x8b\x08")) return Packing::kGzip;
  if (text.starts_with("\xfd"
                       "7zXZ") ||
      text.starts_with("\x28\xb5\x2f\xfd") || is_bzip2(text)) {
    return Packing::kOtherCompression;
  }
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return Packing::kZip;
  return is_tar(text) ? Packing::kTar : Packing::kNone;
}

/// Expands gzip's members to nothing and compares their checksums, which libarchive leaves unread.
class GzipCheck {
 public:
  GzipCheck(std::span<const std::byte> bytes, const ReadProgress& progress)
      : size_(std::ssize(bytes)), unread_(bytes), progress_(progress) {
    constexpr int kGzipWindow = 15 + 16;
    inflateInit2(&stream_, kGzipWindow);
  }
  GzipCheck(const GzipCheck&) = delete;
  GzipCheck& operator=(const GzipCheck&) = delete;
  ~GzipCheck() { inflateEnd(&stream_); }

  /// What follows the last member is ignored, as gzip does.
  bool passes() {
    do {
      if (!member_passes()) return false;
      inflateReset(&stream_);
    } while (packing_of(unread_) == Packing::kGzip);
    return true;
  }

 private:
  bool member_passes() {
    int result = Z_OK;
    while (result == Z_OK) {
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(unread_.data()));
      stream_.avail_in = static_cast<uInt>(std::min<std::size_t>(unread_.size(), 1U << 30));
      stream_.next_out = expanded_.data();
      stream_.avail_out = static_cast<uInt>(expanded_.size());
      const uInt before = stream_.avail_in;
      result = inflate(&stream_, Z_NO_FLUSH);
      unread_ = unread_.subspan(before - stream_.avail_in);
      if (progress_) progress_(size_ - std::ssize(unread_), size_);
    }
    return result == Z_STREAM_END;
  }

  std::int64_t size_;
  std::span<const std::byte> unread_;
  const ReadProgress& progress_;
  std::array<Bytef, 65536> expanded_{};
  z_stream stream_{};
};

/// libarchive spells names in the thread's locale and gives none for what "C", in which every
/// program starts, lacks.
class Utf8Locale {
 public:
  Utf8Locale() : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (utf8_ != nullptr) before_ = ::uselocale(utf8_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  ~Utf8Locale() {
    if (utf8_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(utf8_);
  }

 private:
  locale_t utf8_, before_ = nullptr;
};

/// A label only, so it may be cut where it is longer than a file system takes.
fs::path name_of(archive_entry* entry) {
  constexpr std::size_t kMostBytes = 4096;
  // The UTF-8 name is missing where the archive's own is in another encoding.
  const char* name = archive_entry_pathname_utf8(entry);
  if (name == nullptr) name = archive_entry_pathname(entry);
  return fs::path(std::string(name != nullptr ? name : "unnamed").substr(0, kMostBytes))
      .relative_path();
}

bool is_whole(int result) {
  // Warnings tell of attributes and spellings of names.
  return result == ARCHIVE_OK || result == ARCHIVE_WARN;
}

bool has_content(std::span<const std::byte> bytes) {
  return std::any_of(bytes.begin(), bytes.end(),
                     [](std::byte byte) { return byte != std::byte{}; });
}

std::size_t little_endian(std::string_view text, std::size_t at) {
  std::size_t number = 0;
  for (std::size_t i = 4; i-- > 0;) number = number << 8 | static_cast<unsigned char>(text[at + i]);
  return number;
}

/// The bytes before what a zip's directory, which is at its end, tells of.
std::size_t bytes_before_zip(std::span<const std::byte> bytes) {
  constexpr std::size_t kEnd = 22, kLocator = 20;  // the latter of zip64, whose sizes are elsewhere
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t end = text.rfind("PK\x05\x06");
  if (end == std::string_view::npos || text.size() - end < kEnd) return 0;
  if (end >= kLocator && text.substr(end - kLocator).starts_with("PK\x06\x07")) return 0;
  const std::size_t used = little_endian(text, end + 12) + little_endian(text, end + 16);
  return end > used ? end - used : 0;
}

/// What libarchive's words mean.
std::string in_words(std::string_view fault) {
  const auto says = [fault](std::string_view words) {
    return fault.find(words) != std::string_view::npos;
  };
  if (says("CRC") || says("hecksum")) return " has a wrong checksum";
  if (says("ncrypt") || says("assphrase")) return " is encrypted; expected no password";
  if (says("nsupported")) return " is compressed in a way that is not read";
  if (says("memory")) return " takes too much memory to expand";
  return " is damaged or cut off";
}

}  // namespace

bool is_archive(std::span<const std::byte> bytes) { return packing_of(bytes) != Packing::kNone; }

bool is_hidden(const fs::path& path) {
  return std::any_of(path.begin(), path.end(), [](const fs::path& part) {
    return part.native().starts_with('.') && part != "." && part != "..";
  });
}

ArchiveReader::ArchiveReader(fs::path path, std::span<const std::byte> bytes, ReadProgress progress)
    : path_(std::move(path)), bytes_(bytes), progress_(std::move(progress)) {
  if (packing_of(bytes) == Packing::kGzip && !GzipCheck(bytes, progress_).passes()) {
    throw UserError("cannot expand " + path_.string() + ": it is damaged or cut off");
  }
  archive_ = open(/*concatenated=*/true);
}

/// `concatenated`: a tar may go on after the mark of its end.
ArchiveReader::Opened ArchiveReader::open(bool concatenated) const {
  Opened opened(archive_read_new());
  const Packing packing = packing_of(bytes_);
  // Only what has been recognised: libarchive's other formats take plain text for archives.
  if (packing == Packing::kZip) {
    archive_read_support_format_zip(opened.get());
  } else {
    archive_read_support_format_tar(opened.get());
    const char* const value = concatenated ? "1" : nullptr;
    archive_read_set_format_option(opened.get(), "tar", "read_concatenated_archives", value);
  }
  if (packing == Packing::kGzip || packing == Packing::kOtherCompression) {
    archive_read_support_filter_gzip(opened.get());
    archive_read_support_filter_bzip2(opened.get());
    archive_read_support_filter_xz(opened.get());
    archive_read_support_filter_zstd(opened.get());
    archive_read_support_format_raw(opened.get());
    archive_read_support_format_empty(opened.get());
  }
  // A fault shows when the first file is asked for.
  archive_read_open_memory(opened.get(), bytes_.data(), bytes_.size());
  return opened;
}

void ArchiveReader::Free::operator()(archive* opened) const { archive_read_free(opened); }

std::optional<fs::path> ArchiveReader::next_file() {
  const Utf8Locale locale;
  archive_entry* entry = nullptr;
  int result = ARCHIVE_OK;
  name_.clear();
  while (is_whole(result = archive_read_next_header(archive_.get(), &entry))) {
    if (archive_format(archive_.get()) == ARCHIVE_FORMAT_RAW) return path_.stem();
    fs::path name = name_of(entry);
    if (archive_entry_filetype(entry) != AE_IFREG || is_hidden(name)) continue;
    name_ = one_line(name.string());
    return name;
  }
  if (result == ARCHIVE_EOF) {
    look_at_end();
  } else if (is_tar() && ends_before_fault()) {
    warn("what follows the mark of its end is no archive and is left out");
  } else {
    fail();
  }
  return std::nullopt;
}

bool ArchiveReader::is_tar() const {
  return (archive_format(archive_.get()) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
}

/// Whether a tar is whole up to the mark of its end.
bool ArchiveReader::ends_before_fault() const {
  const Opened opened = open(/*concatenated=*/false);
  archive_entry* entry = nullptr;
  int result = ARCHIVE_OK;
  while (is_whole(result = archive_read_next_header(opened.get(), &entry))) {
  }
  return result == ARCHIVE_EOF;
}

/// Warns of what is missing at the end, or too much.
void ArchiveReader::look_at_end() {
  if (packing_of(bytes_) == Packing::kZip) {
    const std::size_t left_out = bytes_before_zip(bytes_);
    if (left_out > 0) warn(std::to_string(left_out) + " bytes before its files are left out");
    return;
  }
  const auto used = static_cast<std::size_t>(archive_filter_bytes(archive_.get(), -1));
  const auto rest = bytes_.subspan(std::min(used, bytes_.size()));
  if (has_content(rest)) warn(std::to_string(rest.size()) + " bytes after its end are left out");
  const bool has_mark =
      archive_filter_bytes(archive_.get(), 0) > archive_read_header_position(archive_.get());
  if (is_tar() && !has_mark) warn("the mark of its end is missing; it may be cut off");
}

void ArchiveReader::warn(const std::string& sentence) {
  warnings_.push_back(path_.string() + ": " + sentence);
}

void ArchiveReader::read(const std::function<void(std::span<const std::byte>)>& sink) {
  std::array<std::byte, 65536> buffer{};
  for (;;) {
    const la_ssize_t count = archive_read_data(archive_.get(), buffer.data(), buffer.size());
    if (count == 0) return;
    if (count < 0) fail();  // a wrong checksum is only a warning to libarchive
    sink(std::span(buffer).first(static_cast<std::size_t>(count)));
    if (progress_) progress_(archive_filter_bytes(archive_.get(), -1), std::ssize(bytes_));
  }
}

void ArchiveReader::fail() const {
  const char* fault = archive_error_string(archive_.get());
  throw UserError("cannot expand " + path_.string() + ": " + (name_.empty() ? "it" : name_) +
                  in_words(fault != nullptr ? fault : ""));
}

}  // namespace sparse_transformer
