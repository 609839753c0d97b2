// .npy files with any header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sparse_transformer {

inline std::vector<std::byte> numpy_file(std::string_view header,
                                         const std::vector<std::uint8_t>& elements,
                                         int version = 1) {
  std::string text = "\x93NUMPY";
  text += static_cast<char>(version);
  text += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    text += static_cast<char>((header.size() + 1) >> 8 * i);
  }
  text.append(header).append("\n");
  const auto head = std::as_bytes(std::span(text));
  const auto tail = std::as_bytes(std::span(elements));
  std::vector<std::byte> file(head.begin(), head.end());
  file.insert(file.end(), tail.begin(), tail.end());
  return file;
}

}  // namespace sparse_transformer
