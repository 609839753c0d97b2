// Archives and compressed files, through libarchive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct archive;

namespace sparse_transformer {

/// Whether the content is a tar or zip archive or is compressed by gzip, bzip2, xz or zstd. Each is
/// known by a magic number of its own: plain text is never one of them. The first kArchiveHeader
/// bytes tell.
inline constexpr std::size_t kArchiveHeader = 512;
bool is_archive(std::span<const std::byte> bytes);

/// Is told how much has been read, of all. What it throws ends the reading and comes through.
using ReadProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Whether a part of the path begins with a dot (but "." and "..").
bool is_hidden(const std::filesystem::path& path);

/// The regular files of an archive, one after another, hidden ones left out; a compressed file
/// counts as an archive of one file, and archives one after another in a tar count as one. Throws
/// UserError naming `path` for a damaged archive, as far as its format has checksums.
class ArchiveReader {
 public:
  /// `bytes` must satisfy is_archive() and outlive the reader.
  ArchiveReader(std::filesystem::path path, std::span<const std::byte> bytes,
                ReadProgress progress = {});

  /// Goes to the next file and returns its name (relative), or nothing at the end.
  std::optional<std::filesystem::path> next_file();
  /// At the end: what is odd, a sentence each that names the archive.
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// Passes the content of the file gone to, piece by piece.
  void read(const std::function<void(std::span<const std::byte>)>& sink);

 private:
  struct Free {
    void operator()(archive* opened) const;
  };

  using Opened = std::unique_ptr<archive, Free>;

  Opened open(bool concatenated) const;
  bool is_tar() const;
  bool ends_before_fault() const;
  void look_at_end();
  void warn(const std::string& sentence);
  [[noreturn]] void fail() const;

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
  ReadProgress progress_;
  Opened archive_;
  std::string name_;  // of the file gone to; empty between files
  std::vector<std::string> warnings_;
};

}  // namespace sparse_transformer
