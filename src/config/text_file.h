// Reading a small text file whole.
#pragma once

#include <cstddef>
#include <string>

namespace sparse_transformer {

/// What a path may name.
enum class TextSource {
  kFile,         // a regular file
  kFileOrStream  // also a pipe or device, such as /dev/stdin
};

/// Whether reading the path takes its content away, or the path says nothing about where the
/// content comes from: a pipe, a device, or a name in /dev or /proc (/dev/stdin, <(command)).
bool is_stream(const std::string& path);

/// Returns the whole text. Throws UserError that begins with the path: there is no such file, it
/// cannot be read, it is another kind of file than `source` allows, or it has more than `most`
/// bytes. `expected` says what should be there, such as "a YAML file of settings".
std::string read_text_file(const std::string& path, std::size_t most, TextSource source,
                           const std::string& expected);

}  // namespace sparse_transformer
