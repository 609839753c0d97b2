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

/// The whole content at once.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

/// The whole content as text. Throws UserError naming the path.
std::string read_file(const std::filesystem::path& path);

}  // namespace sparse_transformer
