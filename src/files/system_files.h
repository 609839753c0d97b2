// What every writer and reader of files shares: errors of system calls as the program's errors, and
// whole writes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace sparse_transformer {

/// Throws the error of a failed system call: "cannot ACTION PATH: reason". WorldError where the
/// disk is full or broken or the system is out of something, UserError where the path or its
/// permissions are at fault.
[[noreturn]] void throw_file_error(std::string_view action, const std::filesystem::path& path,
                                   int error_number);

/// Writes all bytes to an open file; `path` is for errors.
void write_all(int descriptor, std::span<const std::byte> bytes, const std::filesystem::path& path);

/// Makes what was created, renamed or removed in a folder survive a power cut.
void flush_folder(const std::filesystem::path& folder);

/// Creates a folder with those above it, unless it is there.
void make_folder(const std::filesystem::path& folder);

}  // namespace sparse_transformer
