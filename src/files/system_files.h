// What every writer and reader of files shares: errors of system calls as the program's errors, and
// whole writes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sparse_transformer {

/// An open file, closed at the end.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();

  /// The system's number for the file; negative where it could not be opened.
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

/// Returns what a failed system call says to the user: "cannot ACTION PATH: reason".
std::string file_error_message(std::string_view action, const std::filesystem::path& path,
                               int error_number);

/// Whether the path or its permissions are at fault, which the user can mend; otherwise the disk
/// is full or broken or the system is out of something.
bool is_fault_of_path(int error_number);

/// Throws the error of a failed system call: UserError where the path is at fault, else WorldError.
[[noreturn]] void throw_file_error(std::string_view action, const std::filesystem::path& path,
                                   int error_number);

/// Writes all bytes to an open file; `path` is for errors.
void write_all(int descriptor, std::span<const std::byte> bytes, const std::filesystem::path& path);

/// Makes what was written to an open file survive a power cut; `path` is for errors. Returns false
/// where the file system cannot do that.
bool flush_file(int descriptor, const std::filesystem::path& path);
/// The same for a file that others write.
void flush_file(const std::filesystem::path& path);
/// Makes what was created, renamed or removed in a folder survive a power cut, where the file
/// system can do that.
void flush_folder(const std::filesystem::path& folder);

enum class LockResult {
  kLocked,
  kLockedByOther,
  kUnsupported,  // the file system has no locks
  kFailed        // errno tells why
};

/// Locks an open file (flock) until it is closed, without waiting. The system releases the lock of
/// a process that ends, however it ends.
LockResult try_to_lock(int descriptor);

/// The name of this machine.
std::string host_name();

/// The folder that holds a file of this path; "." for a name alone.
std::filesystem::path folder_of(const std::filesystem::path& path);

/// Throws UserError where a folder, a device or a pipe has this name: to write it as a file would
/// replace it (root's `--out /dev/null`) or wait for ever.
void check_regular_if_there(const std::filesystem::path& file);

/// Throws, before any work is done, what writing the file would throw for its folder's permissions.
void check_writable(const std::filesystem::path& file);

/// Creates a folder with those above it, unless it is there. A power cut does not lose them.
void make_folder(const std::filesystem::path& folder);
/// The same, and adds each folder that it creates to `created`, the innermost last.
void make_folder(const std::filesystem::path& folder, std::vector<std::filesystem::path>& created);

}  // namespace sparse_transformer
