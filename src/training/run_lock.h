// A run's folder has one writer at a time.
#pragma once

#include <filesystem>
#include <vector>

#include "files/system_files.h"

namespace sparse_transformer {

/// The right to write into a run's folder: a lock (flock) on the file `lock` in it, which names the
/// process that holds it and is a regular file. The folder is created with those above it, unless
/// it is there, so that one of several processes that start a run at once gets it. The system
/// releases the lock when the process ends, however it ends. Readers of a run need no lock.
class RunLock {
 public:
  /// Throws UserError where another process holds the lock, with its number and machine; where the
  /// folder cannot be created, written or locked, UserError or WorldError. Then nothing that it
  /// created remains. Warns of a file system without locks, where nothing keeps others out, and of
  /// one that cannot flush files.
  explicit RunLock(std::filesystem::path folder);
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  /// Where no run has begun in the folder (it has no config), removes what the constructor created.
  ~RunLock();

 private:
  void claim();
  void release();
  /// Not open where the folder or the file is removed at this moment.
  Descriptor open_file();
  /// False where the folder or the file was removed meanwhile by the process that had it.
  bool lock_file();
  std::filesystem::path file() const { return folder_ / "lock"; }

  std::filesystem::path folder_;
  std::vector<std::filesystem::path> created_;  // folders, innermost last
  bool created_file_ = false;
  Descriptor file_;
};

}  // namespace sparse_transformer
