#include "files/replace_folder.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "files/system_files.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

void replace_folder(const fs::path& folder, const fs::path& final_path, const fs::path& aside) {
  std::error_code not_there;
  if (!fs::exists(fs::symlink_status(final_path, not_there))) {
    return rename_folder(folder, final_path);
  }
  if (::renameat2(AT_FDCWD, folder.c_str(), AT_FDCWD, final_path.c_str(), RENAME_EXCHANGE) == 0) {
    return;
  }
  const bool cannot_exchange = errno == EINVAL || errno == ENOSYS;
  if (!cannot_exchange) throw_file_error("rename", folder, errno);
  remove_folder(aside);
  rename_folder(final_path, aside);
  try {
    rename_folder(folder, final_path);
  } catch (...) {
    std::error_code ignored;
    fs::rename(aside, final_path, ignored);
    throw;
  }
}

void rename_folder(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_file_error("rename", from, errno);
}

void remove_folder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) throw_file_error("remove", folder, error.value());
}

}  // namespace sparse_transformer
