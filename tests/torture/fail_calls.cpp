// A library to preload (LD_PRELOAD): makes chosen calls to the system fail, or ends the process
// there.
//
// Calls count if their path is below FAIL_CALLS_ROOT. FAIL_CALLS_LOG names a file that gets a line
// for each:
//     microseconds since the call before ended \t kind \t path \t the new name, or the beginning of
//     what is written
// FAIL_CALLS_RULES has a rule a line, "KINDS PART FIRST COUNT ACTION": of the calls of these kinds
// (a list with commas) on a path with PART in it, COUNT from the FIRST (counted from 1) meet
// ACTION. "-" as KINDS or PART means all, 0 as COUNT all that follow. A call meets one rule at
// most, the first whose turn it is.
//
//     error:NUMBER           it fails with this errno
//     short                  half of the bytes are written or read
//     full:BYTES             the disk has room for so many more bytes; after that, writes fail with
//     ENOSPC signal:NUMBER          the process gets this signal, then the call is made
//     kill-before, kill-middle, kill-after    SIGKILL; in the middle of a write, half of the bytes
//     are written kill-later:MICROSECONDS                 SIGKILL so long after the call power-cut
//     SIGKILL, and what was written but not flushed to the disk (fsync) is cut off
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Rule {
  std::string kinds, part, action;
  long first = 1, count = 1, number = 0;  // number: of the action
  long calls = 0;                         // so far

  bool fits(std::string_view kind, const std::string& path) const {
    const std::string list = "," + kinds + ",";
    const std::string name = "," + std::string(kind) + ",";
    return (kinds == "-" || list.find(name) != std::string::npos) &&
           (part == "-" || path.find(part) != std::string::npos);
  }
  /// Counts a call that fits; whether it meets the action.
  bool meets() {
    ++calls;
    return calls >= first && (count == 0 || calls < first + count);
  }
};

/// Bytes at the end of a file that a power cut would lose.
struct Unflushed {
  int descriptor;  // a copy
  off_t flushed;   // bytes from the beginning
};

struct State {
  std::mutex mutex;
  std::string root;
  int log = -1;
  std::vector<Rule> rules;
  std::map<std::pair<dev_t, ino_t>, Unflushed> unflushed;
  Clock::time_point last_end = Clock::now();
};

std::vector<Rule> parse_rules(const char* text) {
  std::vector<Rule> rules;
  std::istringstream lines(text == nullptr ? "" : text);
  Rule rule;
  while (lines >> rule.kinds >> rule.part >> rule.first >> rule.count >> rule.action) {
    if (const auto colon = rule.action.find(':'); colon != std::string::npos) {
      rule.number = std::stol(rule.action.substr(colon + 1));
      rule.action.resize(colon);
    }
    rules.push_back(std::exchange(rule, {}));
  }
  return rules;
}

/// Never destroyed: calls come until the process ends. Without a root, no call counts.
State& state() {
  static State* const made = [] {
    auto* result = new State;
    if (const char* root = std::getenv("FAIL_CALLS_ROOT")) result->root = root;
    if (const char* log = std::getenv("FAIL_CALLS_LOG")) {
      constexpr int kHigh = 700;  // out of the way of the program's descriptors
      const long opened = ::syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0666);
      result->log = ::fcntl(static_cast<int>(opened), F_DUPFD_CLOEXEC, kHigh);
      ::syscall(SYS_close, opened);
    }
    result->rules = parse_rules(std::getenv("FAIL_CALLS_RULES"));
    return result;
  }();
  return *made;
}

std::string path_of(int descriptor) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  return {path, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

std::string path_of(int folder, const char* path) {
  if (path[0] == '/') return path;
  if (folder != AT_FDCWD) return path_of(folder) + "/" + path;
  char here[PATH_MAX];
  return std::string(::getcwd(here, sizeof here) == nullptr ? "" : here) + "/" + path;
}

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  std::abort();
}

[[noreturn]] void cut_power(State& state) {
  for (const auto& [inode, file] : state.unflushed) {
    struct stat status {};
    ::fstat(file.descriptor, &status);
    if (status.st_size > file.flushed) ::syscall(SYS_ftruncate, file.descriptor, file.flushed);
  }
  die();
}

/// What happens to a call.
class Call {
 public:
  Call(std::string_view kind, const std::string& path, std::string_view detail = {}) {
    State& all = state();
    if (all.root.empty() || !path.starts_with(all.root)) return;
    counts_ = true;
    const std::scoped_lock lock(all.mutex);
    log(all, kind, path, detail);
    for (Rule& rule : all.rules) {
      if (!rule.fits(kind, path) || !rule.meets()) continue;
      begin(all, rule);
      break;
    }
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (!counts_) return;
    const int error = errno;
    if (later_ >= 0) die_later();
    if (dies_) die();
    state().last_end = Clock::now();
    errno = error;
  }

  /// Sets errno where the call is to fail.
  bool fails() const {
    if (error_ != 0) errno = error_;
    return error_ != 0;
  }
  /// Of so many bytes, those that are to be written or read.
  std::size_t bytes(std::size_t size) const {
    if (halved_) return size > 1 ? size / 2 : size;
    return std::min(size, room_);
  }
  bool counts() const { return counts_; }
  /// Of a disk that is full from now on: bytes that a write took.
  void took(std::size_t size) const {
    if (full_ != nullptr) full_->number -= static_cast<long>(size);
  }
  /// A write that finds no room fails.
  bool finds_room(std::size_t size) {
    if (full_ != nullptr && full_->number <= 0 && size > 0) error_ = ENOSPC;
    return !fails();
  }

 private:
  static void log(const State& all, std::string_view kind, const std::string& path,
                  std::string_view detail) {
    if (all.log < 0) return;
    constexpr std::size_t kShown = 200;
    std::string shown(detail.substr(0, kShown));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, ' ');
    const auto idle =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - all.last_end);
    const std::string line =
        std::to_string(idle.count()) + "\t" + std::string(kind) + "\t" + path + "\t" + shown + "\n";
    if (::syscall(SYS_write, all.log, line.data(), line.size()) < 0) std::abort();
  }

  void die_later() const {
    constexpr long kSecond = 1'000'000'000;
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGKILL;
    timer_t timer{};
    const long wait = later_ * 1000 + 1;  // nanoseconds; 0 would be never
    const itimerspec time{{}, {wait / kSecond, wait % kSecond}};
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) die();
    if (::timer_settime(timer, 0, &time, nullptr) != 0) die();
  }

  void begin(State& all, Rule& rule) {
    if (rule.action == "error") error_ = static_cast<int>(rule.number);
    if (rule.action == "short") halved_ = true;
    if (rule.action == "signal") ::kill(::getpid(), static_cast<int>(rule.number));
    if (rule.action == "kill-before") die();
    if (rule.action == "kill-middle") halved_ = dies_ = true;
    if (rule.action == "kill-after") dies_ = true;
    if (rule.action == "kill-later") later_ = rule.number;
    if (rule.action == "power-cut") cut_power(all);
    if (rule.action == "full") {
      full_ = &rule;
      room_ = static_cast<std::size_t>(std::max(rule.number, 0L));
    }
  }

  bool counts_ = false, halved_ = false, dies_ = false;
  int error_ = 0;
  long later_ = -1;
  std::size_t room_ = SIZE_MAX;
  Rule* full_ = nullptr;
};

/// The next library's function of this name.
template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::pair<dev_t, ino_t> inode_of(int descriptor) {
  struct stat status {};
  ::fstat(descriptor, &status);
  return {status.st_dev, status.st_ino};
}

/// Before a write: what the file holds now stays, if the power is cut.
void note_write(int descriptor) {
  State& all = state();
  const std::scoped_lock lock(all.mutex);
  const auto inode = inode_of(descriptor);
  if (all.unflushed.contains(inode)) return;
  struct stat status {};
  ::fstat(descriptor, &status);
  constexpr int kHigh = 500;
  all.unflushed[inode] = {::fcntl(descriptor, F_DUPFD_CLOEXEC, kHigh), status.st_size};
}

void note_flush(int descriptor) {
  State& all = state();
  const std::scoped_lock lock(all.mutex);
  const auto found = all.unflushed.find(inode_of(descriptor));
  if (found == all.unflushed.end()) return;
  ::syscall(SYS_close, found->second.descriptor);
  all.unflushed.erase(found);
}

int open_file(int folder, const char* path, int flags, mode_t mode) {
  const bool changes = (flags & O_ACCMODE) != O_RDONLY;
  const Call call(changes ? "create" : "open", path_of(folder, path));
  if (call.fails()) return -1;
  return next<int(int, const char*, int, ...)>("openat")(folder, path, flags, mode);
}

FILE* open_stream(const char* path, const char* mode) {
  const Call call(mode[0] == 'r' ? "open" : "create", path_of(AT_FDCWD, path));
  return call.fails() ? nullptr : next<FILE*(const char*, const char*)>("fopen")(path, mode);
}

ssize_t write_bytes(int descriptor, const void* bytes, std::size_t size) {
  Call call("write", path_of(descriptor), {static_cast<const char*>(bytes), size});
  if (call.counts()) note_write(descriptor);
  if (!call.finds_room(size)) return -1;
  const ssize_t written =
      next<ssize_t(int, const void*, size_t)>("write")(descriptor, bytes, call.bytes(size));
  if (written > 0) call.took(static_cast<std::size_t>(written));
  return written;
}

ssize_t read_bytes(int descriptor, void* bytes, std::size_t size) {
  const Call call("read", path_of(descriptor));
  if (call.fails()) return -1;
  return next<ssize_t(int, void*, size_t)>("read")(descriptor, bytes, call.bytes(size));
}

ssize_t read_bytes_at(int descriptor, void* bytes, std::size_t size, off_t place) {
  const Call call("read", path_of(descriptor));
  if (call.fails()) return -1;
  return next<ssize_t(int, void*, size_t, off_t)>("pread")(descriptor, bytes, call.bytes(size),
                                                           place);
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

// The C library's functions, as its headers declare them.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_file(AT_FDCWD, path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_file(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_file(folder, path, flags, mode);
}

FILE* fopen(const char* path, const char* mode) { return open_stream(path, mode); }
FILE* fopen64(const char* path, const char* mode) { return open_stream(path, mode); }

ssize_t write(int descriptor, const void* bytes, size_t size) {
  return write_bytes(descriptor, bytes, size);
}

// A stream's bytes reach the file when it is flushed, by a call within the C library.
size_t fwrite(const void* bytes, size_t size, size_t count, FILE* stream) {
  Call call("write", path_of(::fileno(stream)), {static_cast<const char*>(bytes), size * count});
  if (call.counts()) note_write(::fileno(stream));
  if (!call.finds_room(size * count)) return 0;
  const size_t part = size == 0 ? 0 : call.bytes(size * count) / size;
  const size_t written =
      next<size_t(const void*, size_t, size_t, FILE*)>("fwrite")(bytes, size, part, stream);
  if (call.counts() && part < count) ::fflush(stream);
  call.took(written * size);
  return written;
}

int fflush(FILE* stream) {
  const auto flush = next<int(FILE*)>("fflush");
  if (stream == nullptr) return flush(stream);
  const Call call("flush", path_of(::fileno(stream)));
  return call.fails() ? EOF : flush(stream);
}

ssize_t read(int descriptor, void* bytes, size_t size) {
  return read_bytes(descriptor, bytes, size);
}
// The name is glibc's: NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming)
ssize_t __read_chk(int descriptor, void* bytes, size_t size, size_t) {
  return read_bytes(descriptor, bytes, size);
}
ssize_t pread(int descriptor, void* bytes, size_t size, off_t place) {
  return read_bytes_at(descriptor, bytes, size, place);
}
ssize_t pread64(int descriptor, void* bytes, size_t size, off_t place) {
  return read_bytes_at(descriptor, bytes, size, place);
}

void* mmap(void* address, size_t size, int protection, int flags, int descriptor,
           off_t place) noexcept {
  const auto map = next<void*(void*, size_t, int, int, int, off_t)>("mmap");
  if (descriptor < 0) return map(address, size, protection, flags, descriptor, place);
  const Call call("map", path_of(descriptor));
  if (call.fails()) return MAP_FAILED;
  return map(address, size, protection, flags, descriptor, place);
}
void* mmap64(void* address, size_t size, int protection, int flags, int descriptor,
             off_t place) noexcept {
  return mmap(address, size, protection, flags, descriptor, place);
}

int fsync(int descriptor) {
  const Call call("fsync", path_of(descriptor));
  if (call.fails()) return -1;
  if (call.counts()) note_flush(descriptor);
  return next<int(int)>("fsync")(descriptor);
}
int fdatasync(int descriptor) { return fsync(descriptor); }

int flock(int descriptor, int operation) noexcept {
  const Call call("flock", path_of(descriptor));
  return call.fails() ? -1 : next<int(int, int)>("flock")(descriptor, operation);
}

int ftruncate(int descriptor, off_t size) noexcept {
  const Call call("truncate", path_of(descriptor));
  return call.fails() ? -1 : next<int(int, off_t)>("ftruncate")(descriptor, size);
}
int ftruncate64(int descriptor, off_t size) noexcept { return ftruncate(descriptor, size); }

int mkdir(const char* path, mode_t mode) noexcept {
  const Call call("mkdir", path_of(AT_FDCWD, path));
  return call.fails() ? -1 : next<int(const char*, mode_t)>("mkdir")(path, mode);
}

int rename(const char* from, const char* to) noexcept {
  const Call call("rename", path_of(AT_FDCWD, from), to);
  return call.fails() ? -1 : next<int(const char*, const char*)>("rename")(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned int flags) noexcept {
  const Call call("renameat2", path_of(from_folder, from), to);
  if (call.fails()) return -1;
  return next<int(int, const char*, int, const char*, unsigned int)>("renameat2")(
      from_folder, from, to_folder, to, flags);
}

int symlink(const char* target, const char* path) noexcept {
  const Call call("symlink", path_of(AT_FDCWD, path), target);
  return call.fails() ? -1 : next<int(const char*, const char*)>("symlink")(target, path);
}

int unlink(const char* path) noexcept {
  const Call call("unlink", path_of(AT_FDCWD, path));
  return call.fails() ? -1 : next<int(const char*)>("unlink")(path);
}

int remove(const char* path) noexcept {
  const Call call("unlink", path_of(AT_FDCWD, path));
  return call.fails() ? -1 : next<int(const char*)>("remove")(path);
}

int rmdir(const char* path) noexcept {
  const Call call("unlink", path_of(AT_FDCWD, path));
  return call.fails() ? -1 : next<int(const char*)>("rmdir")(path);
}

int unlinkat(int folder, const char* path, int flags) noexcept {
  const Call call("unlink", path_of(folder, path));
  return call.fails() ? -1 : next<int(int, const char*, int)>("unlinkat")(folder, path, flags);
}

}  // extern "C"
