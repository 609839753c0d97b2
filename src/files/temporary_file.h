// Room for what is expanded or decoded: a file that nobody else sees and that never stays behind.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "files/mapped_file.h"
#include "files/system_files.h"

namespace sparse_transformer {

/// A file without a name, in $TMPDIR (/tmp where that is not set), gone when it is closed and
/// unmapped. Throws WorldError (disk full), UserError (no permission, no folder).
class TemporaryFile {
 public:
  TemporaryFile();

  /// Appends the bytes.
  void write(std::span<const std::byte> bytes);
  /// Bytes written so far.
  std::size_t size() const { return size_; }
  /// Takes back what was written after the first `size` bytes.
  void cut(std::size_t size);
  /// What was written, for as long as the result lives, with or without this object.
  MappedFile map() const { return {file_.number(), folder_}; }

 private:
  std::filesystem::path folder_;
  Descriptor file_;
  std::size_t size_ = 0;
};

}  // namespace sparse_transformer
