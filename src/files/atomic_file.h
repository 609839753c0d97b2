// Files that are whole or not there: written beside their final name, flushed to the disk, renamed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// A file under construction. Until commit() the final path is untouched; without commit() nothing
/// remains. Errors: UserError for a missing folder or a lack of permission, WorldError for a full
/// disk; both name the path.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Flushes file and folder to the disk and gives the file its name, replacing what had it.
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

/// Writes the whole content at once.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

/// Returns the whole content as text. Throws UserError naming the path: missing, unreadable, a
/// folder, pipe or device, or of more than `most` bytes.
std::string read_file(const std::filesystem::path& path, std::size_t most = std::size_t{1} << 30U);

}  // namespace sparse_transformer
