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

fs::path name_of(archive_entry* entry) {
  // The UTF-8 name is missing where the archive's own is in another encoding.
  const char* name = archive_entry_pathname_utf8(entry);
  if (name == nullptr) name = archive_entry_pathname(entry);
  return fs::path(name != nullptr ? name : "unnamed").relative_path();
}

}  // namespace

bool is_archive(std::span<const std::byte> bytes) { return packing_of(bytes) != Packing::kNone; }

bool is_hidden(const fs::path& path) {
  return std::any_of(path.begin(), path.end(), [](const fs::path& part) {
    return part.native().starts_with('.') && part != "." && part != "..";
  });
}

ArchiveReader::ArchiveReader(fs::path path, std::span<const std::byte> bytes, ReadProgress progress)
    : path_(std::move(path)),
      size_(std::ssize(bytes)),
      progress_(std::move(progress)),
      archive_(archive_read_new()) {
  const Packing packing = packing_of(bytes);
  if (packing == Packing::kGzip && !GzipCheck(bytes, progress_).passes()) {
    throw UserError("cannot expand " + path_.string() + ": it is damaged or cut off");
  }
  // Only what has been recognised: libarchive's other formats take plain text for archives.
  if (packing == Packing::kZip) {
    archive_read_support_format_zip(archive_.get());
  } else {
    archive_read_support_format_tar(archive_.get());
  }
  if (packing == Packing::kGzip || packing == Packing::kOtherCompression) {
    archive_read_support_filter_gzip(archive_.get());
    archive_read_support_filter_bzip2(archive_.get());
    archive_read_support_filter_xz(archive_.get());
    archive_read_support_filter_zstd(archive_.get());
    archive_read_support_format_raw(archive_.get());
    archive_read_support_format_empty(archive_.get());
  }
  check(archive_read_open_memory(archive_.get(), bytes.data(), bytes.size()));
}

void ArchiveReader::Free::operator()(archive* opened) const { archive_read_free(opened); }

std::optional<fs::path> ArchiveReader::next_file() {
  const Utf8Locale locale;
  archive_entry* entry = nullptr;
  while (check(archive_read_next_header(archive_.get(), &entry)) != ARCHIVE_EOF) {
    if (archive_format(archive_.get()) == ARCHIVE_FORMAT_RAW) return path_.stem();
    fs::path name = name_of(entry);
    if (archive_entry_filetype(entry) == AE_IFREG && !is_hidden(name)) return name;
  }
  return std::nullopt;
}

void ArchiveReader::read(const std::function<void(std::span<const std::byte>)>& sink) {
  std::array<std::byte, 65536> buffer{};
  for (;;) {
    const la_ssize_t count = archive_read_data(archive_.get(), buffer.data(), buffer.size());
    if (count == 0) return;
    if (count < 0) fail();  // a wrong checksum is only a warning to libarchive
    sink(std::span(buffer).first(static_cast<std::size_t>(count)));
    if (progress_) progress_(archive_filter_bytes(archive_.get(), -1), size_);
  }
}

int ArchiveReader::check(int result) const {
  // Warnings tell of attributes and spellings of names.
  if (result != ARCHIVE_OK && result != ARCHIVE_EOF && result != ARCHIVE_WARN) fail();
  return result;
}

void ArchiveReader::fail() const {
  const char* fault = archive_error_string(archive_.get());
  throw UserError("cannot expand " + path_.string() + ": " +
                  (fault != nullptr ? fault : "it is damaged"));
}

}  // namespace sparse_transformer
