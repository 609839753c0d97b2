#include "files/error_message.h"

#include <filesystem>

namespace sparse_transformer {

std::string error_message(const std::exception& error) {
  const auto* file_system = dynamic_cast<const std::filesystem::filesystem_error*>(&error);
  if (file_system == nullptr) return error.what();
  return file_system->path1().string() + ": " + file_system->code().message();
}

}  // namespace sparse_transformer
