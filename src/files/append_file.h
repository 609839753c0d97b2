// A file that grows by whole records: a log of figures or of events.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "files/system_files.h"

namespace sparse_transformer {

/// Each append() hands its record to the system at once, so that readers see it and a crash of the
/// program loses nothing. Errors name the path: UserError for a missing folder or a lack of
/// permission, WorldError for a full disk. A failed append() takes back what it wrote: the file
/// then ends with the record before, and the append may be tried again.
class AppendFile {
 public:
  /// Opens the file, or creates it.
  explicit AppendFile(std::filesystem::path path);

  void append(std::span<const std::byte> record);
  void append(std::string_view record);
  /// Makes the records survive a power cut.
  void flush();

 private:
  std::filesystem::path path_;
  Descriptor file_;
  bool ends_in_half_record_ = false;
  std::size_t size_ = 0;  // of the whole records
};

}  // namespace sparse_transformer
