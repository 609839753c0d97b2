// A file mapped into memory, read-only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace sparse_transformer {

class MappedFile {
 public:
  MappedFile() = default;
  /// Throws UserError naming the path: missing, unreadable, a folder. An empty file maps to an
  /// empty span.
  explicit MappedFile(const std::filesystem::path& path);
  /// Maps an open file, which may be closed (and unlinked) afterwards; `name` is for errors.
  MappedFile(int descriptor, const std::filesystem::path& name);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// The first `count` bytes of a file, or all of a shorter one: to see what it is, mapping takes
/// five times as long. Throws as MappedFile does.
std::vector<std::byte> read_beginning(const std::filesystem::path& path, std::size_t count);

}  // namespace sparse_transformer
