#include "files/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "config/errors.h"

namespace sparse_transformer {

namespace {

struct stat status_of(int descriptor, const std::filesystem::path& name) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_file_error("read", name, errno);
  if (S_ISDIR(status.st_mode)) throw UserError(name.string() + " is a folder, not a file");
  if (!S_ISREG(status.st_mode)) throw UserError(name.string() + " is not a regular file");
  return status;
}

std::size_t size_of(int descriptor, const std::filesystem::path& name) {
  return static_cast<std::size_t>(status_of(descriptor, name).st_size);
}

Descriptor open_to_read(const std::filesystem::path& path) {
  // O_NONBLOCK: a named pipe must be refused as "not a regular file", not waited for.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) throw_file_error("open", path, errno);
  return file;
}

/// A folder may hold more files than a process may open.
bool may_stay_open(int descriptor) { return descriptor < ::sysconf(_SC_OPEN_MAX) / 2; }

/// Reads up to the end of `out` or of the file, and returns how much was read; negative: errno.
ssize_t read_at(int descriptor, std::size_t offset, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::pread(descriptor, out.data() + done, out.size() - done,
                                  static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return count;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return static_cast<ssize_t>(done);
}

/// Pages with a copy of the file's beginning.
void* pages_with_copy(int descriptor, std::size_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return address;
  if (read_at(descriptor, 0, {static_cast<std::byte*>(address), size}) >= 0) return address;
  const int error = errno;
  ::munmap(address, size);
  errno = error;
  return MAP_FAILED;
}

std::span<const std::byte> map(int descriptor, const std::filesystem::path& name) {
  const std::size_t size = size_of(descriptor, name);
  if (size == 0) return {};
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  // A file system that cannot map returns ENODEV.
  if (address == MAP_FAILED && errno == ENODEV) address = pages_with_copy(descriptor, size);
  if (address == MAP_FAILED) throw_file_error("map", name, errno);
  return {static_cast<const std::byte*>(address), size};
}

/// The pages that this thread parses, and whether one of them could not be read.
struct Parsed {
  const std::byte* begin = nullptr;
  const std::byte* end = nullptr;
  bool is_lost = false;
};
thread_local constinit Parsed parsed;

std::uintptr_t page_size = 4096;

/// SIGBUS comes in the thread that reads. It reads zeros in place of the rest of the file, and
/// parse() throws. A signal of other memory gets its default action when the instruction is
/// repeated.
void on_bus_error(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const auto* address = static_cast<const std::byte*>(info->si_addr);
  if (address >= parsed.begin && address < parsed.end) {
    const auto offset = reinterpret_cast<std::uintptr_t>(address) % page_size;
    auto* page = const_cast<std::byte*>(address) - offset;
    const auto size = static_cast<std::size_t>(parsed.end - page);
    parsed.is_lost = true;
    if (::mmap(page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
      return;
    }
  }
  std::signal(SIGBUS, SIG_DFL);
}

void catch_bus_errors() {
  page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

/// The thread parses these pages until the end of the scope.
class ParseScope {
 public:
  explicit ParseScope(std::span<const std::byte> bytes)
      : before_(std::exchange(parsed, {bytes.data(), bytes.data() + bytes.size()})) {
    static const bool is_caught = (catch_bus_errors(), true);
    static_cast<void>(is_caught);
  }
  ParseScope(const ParseScope&) = delete;
  ParseScope& operator=(const ParseScope&) = delete;
  ~ParseScope() { parsed = before_; }

  static bool is_lost() { return parsed.is_lost; }

 private:
  Parsed before_;
};

}  // namespace

std::vector<std::byte> read_beginning(const std::filesystem::path& path, std::size_t count) {
  const Descriptor file = open_to_read(path);
  std::vector<std::byte> bytes(std::min(count, size_of(file.number(), path)));
  const ssize_t found = read_at(file.number(), 0, bytes);
  if (found < 0) throw_file_error("read", path, errno);
  bytes.resize(static_cast<std::size_t>(found));
  return bytes;
}

MappedFile::Pages::~Pages() {
  if (!bytes.empty()) ::munmap(const_cast<std::byte*>(bytes.data()), bytes.size());
}

MappedFile::MappedFile(const std::filesystem::path& path) : name_(path) {
  Descriptor file = open_to_read(path);
  pages_ = Pages(map(file.number(), path));
  const struct stat status = status_of(file.number(), path);
  identity_ = {.device = status.st_dev, .inode = status.st_ino};
  if (may_stay_open(file.number())) kept_ = std::move(file);
}

MappedFile::MappedFile(int descriptor, const std::filesystem::path& name)
    : name_(name), pages_(map(descriptor, name)) {}

/// What `use` returns of the file, opened.
template <typename Use>
auto MappedFile::with_descriptor(const Use& use) const {
  if (kept_.is_open()) return use(kept_.number());
  const Descriptor file(::open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file.is_open() || ::fstat(file.number(), &status) != 0) {
    throw UnreadableInput("cannot read " + name_.string() + " any more: " + std::strerror(errno));
  }
  if (Identity{.device = status.st_dev, .inode = status.st_ino} != identity_) {
    throw UnreadableInput(name_.string() + " was replaced by another file while it was in use");
  }
  return use(file.number());
}

void MappedFile::read(std::span<const std::byte> part, std::span<std::byte> out) const {
  if (is_temporary()) return parse([&] { std::memcpy(out.data(), part.data(), part.size()); });
  const auto offset = static_cast<std::size_t>(part.data() - bytes().data());
  with_descriptor([&](int descriptor) {
    const ssize_t count = read_at(descriptor, offset, out);
    if (count < 0) {
      throw UnreadableInput("cannot read " + name_.string() + ": " + std::strerror(errno));
    }
    if (std::cmp_less(count, out.size())) throw_cut(size_of(descriptor, name_));
  });
}

void MappedFile::parse(const std::function<void()>& use) const {
  const ParseScope scope(bytes());
  const auto check = [this] {
    if (!is_temporary()) {
      with_descriptor([this](int descriptor) {
        const std::size_t size = size_of(descriptor, name_);
        if (size < bytes().size()) throw_cut(size);
      });
    }
    if (ParseScope::is_lost()) {
      throw UnreadableInput("cannot read " + name_.string() + ": the disk fails");
    }
  };
  try {
    use();
  } catch (const UserError&) {
    check();
    throw;
  }
  check();
}

void MappedFile::throw_cut(std::size_t size) const {
  throw UnreadableInput(name_.string() + " was cut while it was in use: it had " +
                        std::to_string(bytes().size()) + " bytes and has " + std::to_string(size));
}

}  // namespace sparse_transformer
