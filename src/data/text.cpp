#include "data/text.h"

#include <array>
#include <charconv>

namespace sparse_transformer {

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t size : shape) {
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  return "[" + text + "]";
}

std::string number_text(double number) {
  std::array<char, 32> text{};  // the longest double has 24 characters
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

std::string paths_text(std::span<const std::string> paths) {
  if (paths.empty()) {
    return "(no path)";
  }
  return paths.size() == 1 ? paths[0]
                           : paths[0] + " and " + std::to_string(paths.size() - 1) + " more";
}

}  // namespace sparse_transformer
