#include "data/text.h"

namespace sparse_transformer {

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t size : shape) {
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  return "[" + text + "]";
}

std::string paths_text(std::span<const std::string> paths) {
  if (paths.empty()) {
    return "(no path)";
  }
  return paths.size() == 1 ? paths[0]
                           : paths[0] + " and " + std::to_string(paths.size() - 1) + " more";
}

}  // namespace sparse_transformer
