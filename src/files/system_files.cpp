#include "files/system_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include "config/errors.h"

namespace sparse_transformer {

namespace {

std::string reason(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return "the disk is full";
    case EDQUOT:
      return "the disk quota is used up";
    case EFBIG:
      return "the file is larger than the system allows";
    case ENOENT:
      return "there is no such file or folder";
    case ENOTDIR:
      return "a part of the path is not a folder";
    case EACCES:
    case EPERM:
      return "permission denied";
    case EROFS:
      return "the file system is read-only";
    default:
      return std::generic_category().message(error_number);
  }
}

/// Returns 0, or the error.
int flush(int descriptor) {
  while (::fsync(descriptor) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

Descriptor::~Descriptor() {
  if (is_open()) ::close(number_);
}

std::string file_error_message(std::string_view action, const std::filesystem::path& path,
                               int error_number) {
  return "cannot " + std::string(action) + " " + path.string() + ": " + reason(error_number);
}

bool is_fault_of_path(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case EROFS:
    case ENAMETOOLONG:
    case ELOOP:
    case ENXIO:
      return true;
    default:
      return false;
  }
}

void throw_file_error(std::string_view action, const std::filesystem::path& path,
                      int error_number) {
  const std::string message = file_error_message(action, path, error_number);
  if (is_fault_of_path(error_number)) throw UserError(message);
  throw WorldError(message);
}

void write_all(int descriptor, std::span<const std::byte> bytes,
               const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      throw_file_error("write", path, errno);
    }
  }
}

void flush_file(int descriptor, const std::filesystem::path& path) {
  if (const int error = flush(descriptor); error != 0) throw_file_error("write", path, error);
}

void flush_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw_file_error("write", path, errno);
  flush_file(file.number(), path);
}

void flush_folder(const std::filesystem::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) return;  // a folder may be writable without being readable
  // File systems that cannot flush a folder return EINVAL.
  const int error = flush(opened.number());
  if (error != 0 && error != EINVAL) throw_file_error("write", folder, error);
}

LockResult try_to_lock(int descriptor) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return LockResult::kLocked;
  return errno == EWOULDBLOCK ? LockResult::kLockedByOther : LockResult::kUnsupported;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

void check_regular_if_there(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return;
  if (S_ISDIR(status.st_mode)) throw UserError(file.string() + " is a folder, not a file");
  if (!S_ISREG(status.st_mode)) throw UserError(file.string() + " is not a regular file");
}

void check_writable(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (::access(folder.c_str(), W_OK | X_OK) != 0) throw_file_error("write", file, errno);
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw_file_error("create the folder", folder, error.value());
}

}  // namespace sparse_transformer
