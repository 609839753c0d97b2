#include "config/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

class OpenFile {
 public:
  explicit OpenFile(int descriptor) : descriptor_(descriptor) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

[[noreturn]] void throw_unreadable(const std::string& path, int error) {
  throw UserError(path + ": cannot be read: " + std::generic_category().message(error));
}

std::string kind_in_words(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  return S_ISFIFO(mode) ? "a pipe" : "a device or socket";
}

/// Checks the open file, so that nobody can exchange it between the check and the reading.
void check_kind(const OpenFile& file, const std::string& path, TextSource source,
                const std::string& expected) {
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) throw_unreadable(path, errno);
  const bool is_allowed =
      S_ISREG(status.st_mode) || (source == TextSource::kFileOrStream && !S_ISDIR(status.st_mode));
  if (!is_allowed) {
    throw UserError(path + ": " + kind_in_words(status.st_mode) + ", expected " + expected);
  }
}

}  // namespace

bool is_stream(const std::string& path) {
  if (path.starts_with("/dev/") || path.starts_with("/proc/")) return true;
  std::error_code failed;
  return fs::exists(path, failed) && !fs::is_regular_file(path, failed);
}

std::string read_text_file(const std::string& path, std::size_t most, TextSource source,
                           const std::string& expected) {
  // Without O_NONBLOCK, opening a pipe would wait for a writer before the pipe can be refused.
  const int wait = source == TextSource::kFile ? O_NONBLOCK : 0;
  const OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | wait));
  if (file.descriptor() < 0 && errno == ENOENT) throw UserError(path + ": no such file");
  if (file.descriptor() < 0) throw_unreadable(path, errno);
  check_kind(file, path, source, expected);
  std::string text;
  std::string block(std::min<std::size_t>(most + 1, 1U << 16U), '\0');
  while (text.size() <= most) {
    const ssize_t count = ::read(file.descriptor(), block.data(), block.size());
    if (count == 0) return text;
    if (count < 0 && errno != EINTR) throw_unreadable(path, errno);
    if (count > 0) text.append(block, 0, static_cast<std::size_t>(count));
  }
  throw UserError(path + ": larger than " + std::to_string(most >> 20U) + " MiB, expected " +
                  expected);
}

}  // namespace sparse_transformer
