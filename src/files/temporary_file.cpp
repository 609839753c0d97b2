#include "files/temporary_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace sparse_transformer {

namespace {

std::filesystem::path temporary_folder() {
  const char* given = std::getenv("TMPDIR");
  return given != nullptr && *given != '\0' ? given : "/tmp";
}

}  // namespace

TemporaryFile::TemporaryFile() : folder_(temporary_folder()) {
  std::string name = (folder_ / ".sparse-transformer-XXXXXX").string();
  file_ = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (!file_.is_open()) throw_file_error("make a temporary file in", folder_, errno);
  ::unlink(name.c_str());
}

void TemporaryFile::write(std::span<const std::byte> bytes) {
  write_all(file_.number(), bytes,
            "a temporary file in " + folder_.string() + " (TMPDIR names another folder)");
  size_ += bytes.size();
}

void TemporaryFile::cut(std::size_t size) {
  const auto length = static_cast<off_t>(size);
  if (::ftruncate(file_.number(), length) != 0 || ::lseek(file_.number(), length, SEEK_SET) < 0) {
    throw_file_error("cut a temporary file in", folder_, errno);
  }
  size_ = size;
}

}  // namespace sparse_transformer
