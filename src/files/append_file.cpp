#include "files/append_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace sparse_transformer {

// O_NONBLOCK: a named pipe is refused, not waited for.
AppendFile::AppendFile(std::filesystem::path path)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0666)) {
  check_regular_if_there(path_);
  if (!file_.is_open()) throw_file_error("write", path_, errno);
  const off_t end = ::lseek(file_.number(), 0, SEEK_END);
  if (end < 0) throw_file_error("write", path_, errno);
  size_ = static_cast<std::size_t>(end);
}

void AppendFile::append(std::span<const std::byte> record) {
  const auto cut_back = [this] {
    ends_in_half_record_ = ::ftruncate(file_.number(), static_cast<off_t>(size_)) != 0;
  };
  if (ends_in_half_record_) cut_back();
  if (ends_in_half_record_) throw_file_error("shorten", path_, errno);
  try {
    write_all(file_.number(), record, path_);
  } catch (...) {
    cut_back();
    throw;
  }
  size_ += record.size();
}

void AppendFile::append(std::string_view record) { append(std::as_bytes(std::span(record))); }

void AppendFile::flush() { flush_file(file_.number(), path_); }

}  // namespace sparse_transformer
