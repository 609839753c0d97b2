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
  constexpr int kTries = 10;  // the process that had the folder may remove it at this moment
  for (int i = 0; i == 0 || !lock_file(); ++i) {
    if (i == kTries) throw_file_error("create", file(), ENOENT);
    create_folder();
  }
  const std::string text = "process " + std::to_string(::getpid()) + " on " + host_name() + "\n";
  if (::ftruncate(file_.number(), 0) != 0) throw_file_error("write", file(), errno);
  write_all(file_.number(), std::as_bytes(std::span(text)), file());
}

RunLock::~RunLock() {
  // The name of a process that has ended would mislead. Where this fails, it stays.
  [[maybe_unused]] const int result = ::ftruncate(file_.number(), 0);
  std::error_code error;
  const bool has_begun = fs::exists(folder_ / "config.yaml", error);
  if (has_begun || !created_file_) return;
  fs::remove(file(), error);
  for (const fs::path& folder : std::views::reverse(created_)) {
    fs::remove(folder, error);  // fails where somebody else has put something there
  }
}

void RunLock::create_folder() {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path folder = folder_; !folder.empty() && !fs::exists(folder, error);
       folder = folder.parent_path()) {
    missing.push_back(folder);
  }
  for (const fs::path& folder : std::views::reverse(missing)) {
    if (::mkdir(folder.c_str(), 0777) == 0) {
      created_.push_back(folder);
    } else if (errno != EEXIST) {
      throw_file_error("create the folder", folder, errno);
    }
  }
}

bool RunLock::lock_file() {
  std::error_code ignored;
  created_file_ = !fs::exists(file(), ignored);
  file_ = Descriptor(::open(file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file_.is_open() && errno == ENOENT) return false;
  if (!file_.is_open()) throw_file_error("write", file(), errno);
  switch (try_to_lock(file_.number())) {
    case LockResult::kLocked:
      return is_same_file(file_.number(), file());
    case LockResult::kLockedByOther:
      throw UserError(
          folder_.string() + ": " + holder(file()) +
          " trains in this folder; wait for its end, or name another folder with --run");
    case LockResult::kUnsupported:
      log_warning(folder_.string() +
                  ": this file system has no locks; nothing keeps a second process out of the run");
  }
  return true;
}

}  // namespace sparse_transformer
