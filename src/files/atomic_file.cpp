#include "files/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "files/leftovers.h"
#include "files/mapped_file.h"
#include "files/system_files.h"

namespace sparse_transformer {

/// A short name, so that the final one may be as long as the file system allows.
AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  check_regular_if_there(path_);
  for (int number = 0; descriptor_ < 0; ++number) {
    temporary_ = folder_of(path_) / (std::string(kAtomicFilePrefix) + std::to_string(number) + "-" +
                                     std::to_string(::getpid()));
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) throw_file_error("write", path_, errno);
  }
  try_to_lock(descriptor_);  // remove_leftovers() sees that somebody writes it
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) { write_all(descriptor_, bytes, path_); }

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::commit() {
  flush_file(descriptor_, path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_file_error("write", path_, errno);
  ::close(std::exchange(descriptor_, -1));
  flush_folder(folder_of(path_));
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

std::string read_file(const std::filesystem::path& path, std::size_t most) {
  const std::vector<std::byte> bytes = read_beginning(path, most + 1);
  if (bytes.size() > most) {
    throw UserError(path.string() + " has more than " + std::to_string(most >> 20U) + " MiB");
  }
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace sparse_transformer
