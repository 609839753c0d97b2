#include "files/error_message.h"

#include <filesystem>

#include "files/system_files.h"

namespace sparse_transformer {

std::string error_message(const std::exception& error) {
  const auto* file_system = dynamic_cast<const std::filesystem::filesystem_error*>(&error);
  if (file_system == nullptr) return error.what();
  return file_error_message("use", file_system->path1(), file_system->code().value());
}

}  // namespace sparse_transformer
