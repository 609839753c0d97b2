#include "files/input_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "config/errors.h"
#include "files/system_files.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

enum class Packing { kNone, kCompressed, kZip, kTar };

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A tar header says "ustar" at 257 and carries the sum of its own bytes, its own field counted as
/// blanks. Text that happens to say "ustar" there does not.
bool is_tar(std::string_view text) {
  constexpr std::size_t kHeader = 512;
  constexpr std::size_t kSumAt = 148;
  constexpr std::size_t kSumLength = 8;
  if (text.size() < kHeader || text.substr(257, 5) != "ustar") return false;
  unsigned long sum = 0;
  for (std::size_t i = 0; i < kHeader; ++i) {
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
  const std::string_view text = text_of(bytes);
  constexpr std::array<std::string_view, 3> kCompressions = {
      "\xfd"
      "7zXZ",
      "\x1f\x8b\x08", "\x28\xb5\x2f\xfd"};
  const auto begins = [&](std::string_view magic) { return text.starts_with(magic); };
  if (std::any_of(kCompressions.begin(), kCompressions.end(), begins) || is_bzip2(text)) {
    return Packing::kCompressed;
  }
  if (begins("PK\x03\x04") || begins("PK\x05\x06")) return Packing::kZip;
  return is_tar(text) ? Packing::kTar : Packing::kNone;
}

bool is_hidden(const fs::path& path) {
  return std::any_of(path.begin(), path.end(), [](const fs::path& part) {
    return part.native().starts_with('.') && part != "." && part != "..";
  });
}

/// A file without a name, in $TMPDIR, gone when it is closed and unmapped.
class TemporaryFile {
 public:
  TemporaryFile() : folder_(temporary_folder()) {
    std::string name = (folder_ / ".sparse-transformer-XXXXXX").string();
    descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor_ < 0) throw_file_error("expand into", folder_, errno);
    ::unlink(name.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { ::close(descriptor_); }

  void write(std::span<const std::byte> bytes) {
    write_all(descriptor_, bytes,
              "a temporary file in " + folder_.string() + " (TMPDIR names another folder)");
    size_ += bytes.size();
  }
  /// Bytes written so far.
  std::size_t size() const { return size_; }
  MappedFile map() const { return {descriptor_, folder_}; }

 private:
  static fs::path temporary_folder() {
    const char* given = std::getenv("TMPDIR");
    return given != nullptr && *given != '\0' ? given : "/tmp";
  }

  fs::path folder_;
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

/// Reads an archive, or a compressed file as an archive of one entry without a name.
class ArchiveReader {
 public:
  ArchiveReader(const fs::path& path, std::span<const std::byte> bytes, Packing packing)
      : path_(path), archive_(archive_read_new()) {
    archive_read_support_filter_gzip(archive_);
    archive_read_support_filter_bzip2(archive_);
    archive_read_support_filter_xz(archive_);
    archive_read_support_filter_zstd(archive_);
    if (packing == Packing::kZip) archive_read_support_format_zip(archive_);
    if (packing != Packing::kZip) archive_read_support_format_tar(archive_);
    if (packing == Packing::kCompressed) {
      archive_read_support_format_raw(archive_);
      archive_read_support_format_empty(archive_);
    }
    check(archive_read_open_memory(archive_, bytes.data(), bytes.size()));
  }
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;
  ~ArchiveReader() { archive_read_free(archive_); }

  /// Goes to the next regular file that is not hidden and returns its name.
  std::optional<fs::path> next_file() {
    archive_entry* entry = nullptr;
    while (check(archive_read_next_header(archive_, &entry)) != ARCHIVE_EOF) {
      if (archive_format(archive_) == ARCHIVE_FORMAT_RAW) return path_.stem();
      const fs::path name = name_of(entry);
      if (archive_entry_filetype(entry) == AE_IFREG && !is_hidden(name)) return name;
    }
    return std::nullopt;
  }

  /// Appends the content of the file gone to.
  void copy_to(TemporaryFile& file) {
    std::array<std::byte, 65536> buffer{};
    for (;;) {
      const la_ssize_t count = archive_read_data(archive_, buffer.data(), buffer.size());
      if (count == 0) return;
      if (count < 0) check(static_cast<int>(count));
      file.write(std::span(buffer).first(static_cast<std::size_t>(count)));
    }
  }

 private:
  int check(int result) const {
    if (result == ARCHIVE_OK || result == ARCHIVE_EOF || result == ARCHIVE_WARN) return result;
    const char* fault = archive_error_string(archive_);
    throw UserError("cannot expand " + path_.string() + ": " +
                    (fault != nullptr ? fault : "it is damaged"));
  }

  static fs::path name_of(archive_entry* entry) {
    // The plain name is missing where the locale cannot spell it.
    const char* name = archive_entry_pathname_utf8(entry);
    if (name == nullptr) name = archive_entry_pathname(entry);
    return fs::path(name != nullptr ? name : "unnamed").relative_path();
  }

  const fs::path& path_;
  archive* archive_;
};

/// All entries go into one temporary file, one behind the other.
std::vector<InputFile> expand(const fs::path& path, std::span<const std::byte> bytes,
                              Packing packing) {
  struct Extent {
    fs::path name;
    std::size_t begin, size;
  };
  std::vector<Extent> extents;
  ArchiveReader reader(path, bytes, packing);
  TemporaryFile expanded;
  while (const auto name = reader.next_file()) {
    const std::size_t begin = expanded.size();
    reader.copy_to(expanded);
    extents.push_back({*name, begin, expanded.size() - begin});
  }
  std::stable_sort(extents.begin(), extents.end(),
                   [](const Extent& a, const Extent& b) { return a.name < b.name; });
  const auto storage = std::make_shared<const MappedFile>(expanded.map());
  std::vector<InputFile> files;
  for (const Extent& extent : extents) {
    files.push_back({(path / extent.name).string(),
                     storage->bytes().subspan(extent.begin, extent.size), storage});
  }
  return files;
}

std::vector<InputFile> open_file(const fs::path& path) {
  auto storage = std::make_shared<const MappedFile>(path);
  const std::span<const std::byte> bytes = storage->bytes();
  const Packing packing = packing_of(bytes);
  if (packing == Packing::kNone) return {{path.string(), bytes, std::move(storage)}};
  std::vector<InputFile> files = expand(path, bytes, packing);
  if (files.empty()) throw UserError(path.string() + " contains no files");
  return files;
}

/// Links to files are followed, links to folders not (they may lead in circles); a broken link is
/// listed, so that opening it tells the user.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (fs::recursive_directory_iterator entry(folder), end; entry != end; ++entry) {
    if (is_hidden(entry->path().filename())) {
      entry.disable_recursion_pending();
      continue;
    }
    const fs::file_type type = entry->status().type();
    if (type == fs::file_type::regular || type == fs::file_type::not_found) {
      paths.push_back(entry->path());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<fs::path> files_of(const fs::path& path) {
  try {
    if (!fs::is_directory(path)) return {path};
    std::vector<fs::path> paths = files_below(path);
    if (paths.empty()) throw UserError("the folder " + path.string() + " contains no files");
    return paths;
  } catch (const fs::filesystem_error& error) {
    throw_file_error("read", error.path1().empty() ? path : error.path1(), error.code().value());
  }
}

}  // namespace

std::vector<InputFile> open_inputs(const std::vector<std::string>& paths) {
  std::vector<InputFile> inputs;
  for (const std::string& path : paths) {
    for (const fs::path& file : files_of(path)) {
      std::vector<InputFile> opened = open_file(file);
      std::move(opened.begin(), opened.end(), std::back_inserter(inputs));
    }
  }
  return inputs;
}

}  // namespace sparse_transformer
