#include "files/leftovers.h"

#include <fcntl.h>

#include <cerrno>
#include <charconv>
#include <csignal>

#include "files/system_files.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

/// Whether the name ends with the number of a process of this machine.
bool names_living_process(std::string_view name) {
  const std::string_view digits = name.substr(name.rfind('-') + 1);
  pid_t process = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), process);
  if (error != std::errc() || end != digits.data() + digits.size() || process <= 0) return false;
  return ::kill(process, 0) == 0 || errno == EPERM;
}

/// Whether a process, of this machine or of another that shares the disk, still writes the file.
bool is_locked(const fs::path& file) {
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  return opened.is_open() && try_to_lock(opened.number()) == LockResult::kLockedByOther;
}

}  // namespace

void remove_leftovers(const fs::path& folder, std::string_view prefix) {
  std::error_code ignored;
  for (fs::directory_iterator entry(folder, ignored), end; entry != end; entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) ||
        entry->symlink_status(ignored).type() == fs::file_type::directory) {
      continue;
    }
    if (!names_living_process(name) && !is_locked(entry->path()))
      fs::remove(entry->path(), ignored);
  }
}

}  // namespace sparse_transformer
