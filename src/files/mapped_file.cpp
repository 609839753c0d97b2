#include "files/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "config/errors.h"
#include "files/system_files.h"

namespace sparse_transformer {

namespace {

std::size_t size_of(int descriptor, const std::filesystem::path& name) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_file_error("read", name, errno);
  if (S_ISDIR(status.st_mode)) throw UserError(name.string() + " is a folder, not a file");
  if (!S_ISREG(status.st_mode)) throw UserError(name.string() + " is not a regular file");
  return static_cast<std::size_t>(status.st_size);
}

std::span<const std::byte> map(int descriptor, const std::filesystem::path& name) {
  const std::size_t size = size_of(descriptor, name);
  if (size == 0) return {};
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (address == MAP_FAILED) throw_file_error("map", name, errno);
  return {static_cast<const std::byte*>(address), size};
}

Descriptor open_to_read(const std::filesystem::path& path) {
  // O_NONBLOCK: a named pipe must be refused as "not a regular file", not waited for.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) throw_file_error("open", path, errno);
  return file;
}

}  // namespace

std::vector<std::byte> read_beginning(const std::filesystem::path& path, std::size_t count) {
  const Descriptor file = open_to_read(path);
  std::vector<std::byte> bytes(std::min(count, size_of(file.number(), path)));
  const ssize_t found = ::read(file.number(), bytes.data(), bytes.size());
  if (found < 0) throw_file_error("read", path, errno);
  bytes.resize(static_cast<std::size_t>(found));
  return bytes;
}

MappedFile::MappedFile(const std::filesystem::path& path)
    : MappedFile(open_to_read(path).number(), path) {}

MappedFile::MappedFile(int descriptor, const std::filesystem::path& name)
    : bytes_(map(descriptor, name)) {}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace sparse_transformer
