// Command lines that the program prints, so that a user can paste them into a shell.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sparse_transformer {

/// The word as a POSIX shell reads it: in single quotes where it would be taken apart. One with
/// characters that no terminal shows (newlines, bytes that are not UTF-8) becomes
/// "$(printf 'a\012b')", in which newlines at the end are lost.
std::string shell_quoted(std::string_view word);

/// A path as an argument: one that begins with a dash is no option then.
std::string path_argument(const std::filesystem::path& path);

/// "sparse-transformer sample 'my runs/first' --out samples.png"
std::string shell_command(const std::vector<std::string>& arguments);

}  // namespace sparse_transformer
