// The files that a user names as data, as they come: single files, folders, compressed files,
// archives.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "files/archive.h"
#include "files/mapped_file.h"

namespace sparse_transformer {

/// The content of one file, mapped; what was compressed lies in an unlinked temporary file.
struct InputFile {
  std::string
      name;  // the path; of an archive's entry "ARCHIVE/ENTRY", of x.txt.gz "x.txt.gz/x.txt"
  std::span<const std::byte> bytes;
  std::shared_ptr<const MappedFile> storage;  // keeps `bytes` alive
};

/// The files that `paths` name, archives among them, in the order of open_inputs().
std::vector<std::string> list_files(const std::vector<std::string>& paths,
                                    const ReadProgress& progress = {});

/// Whether the file is an archive, as is_archive() of archive.h says.
bool is_archive(const InputFile& file);

/// Opens what `paths` name, in the order given. A folder stands for all files below it, sorted by
/// path, hidden ones left out; a tar or zip archive (compressed or not) for its regular files
/// likewise; a file compressed by gzip, bzip2, xz or zstd for its content. Recognised by content,
/// never by name. An entry of an archive is not opened further. Expanding needs room in $TMPDIR
/// (/tmp where that is not set). Errors, naming the path: UserError for what is missing,
/// unreadable, damaged, would expand past its ExpansionLimit, or is a folder or archive without
/// files; WorldError for a full disk. `progress` is told of files listed and opened, and of bytes
/// while an archive is expanded; what is odd in archives is appended to `warnings`, where given.
std::vector<InputFile> open_inputs(const std::vector<std::string>& paths,
                                   const ReadProgress& progress = {},
                                   std::vector<std::string>* warnings = nullptr);

/// A file that is opened only when it is read: of a million, not all are mapped at once.
struct PendingInput {
  std::string name;
  std::function<InputFile()> open;  // throws UserError naming the file; may be called by any thread
};

/// The same files in the same order as open_inputs(), but what is wrong with one of them (broken
/// link, no permission, damaged archive) is thrown when that one is opened. Throws WorldError for a
/// full disk, UserError for a folder without files.
std::vector<PendingInput> list_inputs(const std::vector<std::string>& paths,
                                      const ReadProgress& progress = {},
                                      std::vector<std::string>* warnings = nullptr);

}  // namespace sparse_transformer
