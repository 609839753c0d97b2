// TensorBoard's event files, written without TensorFlow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "files/append_file.h"

namespace sparse_transformer {

/// One event file in a folder. Each call adds one record and hands it to the system at once, so
/// that TensorBoard sees it and a crash loses nothing. Two records of one tag at the same step:
/// TensorBoard keeps the last. A resumed run opens a new file; TensorBoard then drops what earlier
/// files hold from `first_step` on. Errors: UserError for a missing folder or a lack of permission,
/// WorldError for a full disk; the file stays readable and the record may be tried again.
class EventWriter {
 public:
  EventWriter(const std::filesystem::path& folder, std::int64_t first_step);

  /// A point of a curve. A tag is a path ("loss/train"): its first part groups the curves.
  void scalar(std::string_view tag, std::int64_t step, double value);
  /// A picture, encoded as PNG, of the size that it has.
  void image(std::string_view tag, std::int64_t step, std::span<const std::byte> png,
             std::int64_t width, std::int64_t height);
  /// Markdown in UTF-8.
  void text(std::string_view tag, std::int64_t step, std::string_view markdown);

  /// Makes the records survive a power cut.
  void flush() { file_.flush(); }

  const std::filesystem::path& path() const { return path_; }

 private:
  void add_record(std::string_view event);

  std::filesystem::path path_;
  AppendFile file_;
};

}  // namespace sparse_transformer
