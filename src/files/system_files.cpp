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

/// Whether the file system lacks what was asked of it.
bool is_unsupported(int error_number) {
  return error_number == EINVAL || error_number == EOPNOTSUPP || error_number == ENOSYS;
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

bool flush_file(int descriptor, const std::filesystem::path& path) {
  while (::fsync(descriptor) != 0) {
    if (is_unsupported(errno)) return false;
    if (errno != EINTR) throw_file_error("write", path, errno);
  }
  return true;
}

void flush_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw_file_error("write", path, errno);
  flush_file(file.number(), path);
}

void flush_folder(const std::filesystem::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.is_open()) return;  // a folder may be writable without being readable
  flush_file(opened.number(), folder);
}

LockResult try_to_lock(int descriptor) {
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return LockResult::kLockedByOther;
    if (errno == ENOLCK || is_unsupported(errno)) return LockResult::kUnsupported;
    if (errno != EINTR) return LockResult::kFailed;
  }
  return LockResult::kLocked;
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

void check_regular_if_there(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return;
  if (S_ISDIR(status.st_mode)) throw UserError(file.string() + " is a folder, not a file");
  if (!S_ISREG(status.st_mode)) throw UserError(file.string() + " is not a regular file");
}

void check_writable(const std::filesystem::path& file) {
  if (::access(folder_of(file).c_str(), W_OK | X_OK) != 0) throw_file_error("write", file, errno);
}

void make_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> created;
  make_folder(folder, created);
}

void make_folder(const std::filesystem::path& folder, std::vector<std::filesystem::path>& created) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::vector<fs::path> missing;
  for (fs::path each = folder; !each.empty() && !fs::exists(each, ignored);
       each = each.parent_path()) {
    missing.push_back(each);
  }
  for (; !missing.empty(); missing.pop_back()) {
    const fs::path& each = missing.back();
    if (::mkdir(each.c_str(), 0777) == 0) {
      created.push_back(each);
      flush_folder(folder_of(each));
    } else if (errno != EEXIST) {
      throw_file_error("create the folder", each, errno);
    }
  }
  const bool is_taken = fs::exists(fs::symlink_status(folder, ignored));
  if (is_taken && !fs::is_directory(folder, ignored)) {
    throw_file_error("create the folder", folder, ENOTDIR);
  }
}

}  // namespace sparse_transformer
