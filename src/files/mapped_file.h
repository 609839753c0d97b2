// A file mapped into memory, read-only; a file system that cannot map files has them read into
// memory.
//
// The pages of a file that becomes shorter, or lies on a bad disk, cannot be read: the system sends
// SIGBUS. read() copies by system calls, which return an error instead; parse() catches the signal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "files/system_files.h"

namespace sparse_transformer {

class MappedFile {
 public:
  MappedFile() = default;
  /// Throws UserError naming the path: missing, unreadable, a folder. An empty file maps to an
  /// empty span.
  explicit MappedFile(const std::filesystem::path& path);
  /// Maps an open temporary file, which may be closed (and unlinked) afterwards; `name` is for
  /// errors.
  MappedFile(int descriptor, const std::filesystem::path& name);

  /// The content, where it is mapped. Its bytes are read by the functions below.
  std::span<const std::byte> bytes() const { return pages_.bytes; }

  /// Copies `part` of bytes() to `out`, of the same size. Thread-safe. Throws UnreadableInput
  /// naming the file where it has been cut or replaced, or the disk fails.
  void read(std::span<const std::byte> part, std::span<std::byte> out) const;

  /// Calls `use`, which may read bytes() in this thread. Throws UnreadableInput as read() does,
  /// instead of the UserError that `use` throws because of it.
  void parse(const std::function<void()>& use) const;

 private:
  /// Unmapped at the end.
  struct Pages {
    Pages() = default;
    explicit Pages(std::span<const std::byte> mapped) : bytes(mapped) {}
    Pages(Pages&& other) noexcept : bytes(std::exchange(other.bytes, {})) {}
    Pages& operator=(Pages&& other) noexcept {
      std::swap(bytes, other.bytes);
      return *this;
    }
    ~Pages();

    std::span<const std::byte> bytes;
  };

  /// Tells a file from another of the same name.
  struct Identity {
    std::uint64_t device = 0, inode = 0;
    bool operator==(const Identity&) const = default;
  };

  bool is_temporary() const { return identity_ == Identity(); }
  template <typename Use>
  auto with_descriptor(const Use& use) const;
  [[noreturn]] void throw_cut(std::size_t size) const;

  std::filesystem::path name_;
  Pages pages_;
  Identity identity_;  // none of a temporary file, which nobody else can change
  Descriptor kept_;    // closed where many files are open; the file is then opened for each read
};

/// The first `count` bytes of a file, or all of a shorter one: to see what it is, mapping takes
/// five times as long. Throws as MappedFile does.
std::vector<std::byte> read_beginning(const std::filesystem::path& path, std::size_t count);

}  // namespace sparse_transformer
