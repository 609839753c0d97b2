#include "training/run_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ranges>
#include <string>
#include <thread>
#include <utility>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "runtime/log.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

/// "process 4711 on node3", as the holder of the lock wrote it. It writes this right after locking.
std::string holder(const fs::path& file) {
  constexpr int kTries = 50;
  for (int i = 0; i < kTries; ++i) {
    std::string text = read_file(file);
    if (text.ends_with('\n')) return text.substr(0, text.size() - 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return "another process";
}

bool is_same_file(int descriptor, const fs::path& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(descriptor, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

}  // namespace

RunLock::RunLock(fs::path folder) : folder_(std::move(folder)) {
  try {
    claim();
  } catch (...) {
    release();
    throw;
  }
}

RunLock::~RunLock() { release(); }

void RunLock::claim() {
  constexpr int kTries = 10;  // the process that had the folder may remove it at this moment
  for (int i = 0; i == 0 || !lock_file(); ++i) {
    if (i == kTries) throw_file_error("create", file(), ENOENT);
    make_folder(folder_, created_);
  }
  const std::string text = "process " + std::to_string(::getpid()) + " on " + host_name() + "\n";
  if (::ftruncate(file_.number(), 0) != 0) throw_file_error("write", file(), errno);
  write_all(file_.number(), std::as_bytes(std::span(text)), file());
  if (!flush_file(file_.number(), file())) {
    log_warning(folder_.string() +
                ": this file system cannot flush files; a power cut may cost checkpoints");
  }
}

void RunLock::release() {
  // The name of a process that has ended would mislead. Where this fails, it stays.
  [[maybe_unused]] const int result = ::ftruncate(file_.number(), 0);
  std::error_code error;
  const bool has_begun = fs::exists(folder_ / "config.yaml", error);
  if (has_begun) return;
  if (created_file_) fs::remove(file(), error);
  for (const fs::path& folder : std::views::reverse(created_)) {
    fs::remove(folder, error);  // fails where somebody else has put something there
  }
}

// The file is emptied: a link could lead to a file outside the run. A pipe would be waited for.
Descriptor RunLock::open_file() {
  constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  created_file_ = false;
  Descriptor opened(::open(file().c_str(), kFlags));
  if (!opened.is_open() && errno == ENOENT) {
    opened = Descriptor(::open(file().c_str(), kFlags | O_CREAT | O_EXCL, 0666));
    created_file_ = opened.is_open();
  }
  const int error = errno;
  struct stat status {};
  const int unknown =
      opened.is_open() ? ::fstat(opened.number(), &status) : ::lstat(file().c_str(), &status);
  if (unknown == 0 && !S_ISREG(status.st_mode)) {
    throw UserError(file().string() +
                    " is not a regular file; remove it, or name another folder with --run");
  }
  const bool is_gone = error == ENOENT || error == EEXIST;
  if (!opened.is_open() && !is_gone) throw_file_error("write", file(), error);
  return opened;
}

bool RunLock::lock_file() {
  Descriptor opened = open_file();
  if (!opened.is_open()) return false;
  switch (try_to_lock(opened.number())) {
    case LockResult::kLocked:
      break;
    case LockResult::kLockedByOther:
      created_file_ = false;  // it is theirs now
      throw UserError(
          folder_.string() + ": " + holder(file()) +
          " trains in this folder; wait for its end, or name another folder with --run");
    case LockResult::kUnsupported:
      log_warning(folder_.string() +
                  ": this file system has no locks; nothing keeps a second process out of the run");
      break;
    case LockResult::kFailed:
      throw_file_error("lock", file(), errno);
  }
  if (!is_same_file(opened.number(), file())) return false;
  file_ = std::move(opened);
  return true;
}

}  // namespace sparse_transformer
