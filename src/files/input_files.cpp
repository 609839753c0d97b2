#include "files/input_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <utility>

#include "config/errors.h"
#include "files/archive.h"
#include "files/system_files.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

/// A file without a name, in $TMPDIR, gone when it is closed and unmapped.
class TemporaryFile {
 public:
  TemporaryFile() : folder_(temporary_folder()) {
    std::string name = (folder_ / ".sparse-transformer-XXXXXX").string();
    file_ = Descriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (!file_.is_open()) throw_file_error("expand into", folder_, errno);
    ::unlink(name.c_str());
  }

  void write(std::span<const std::byte> bytes) {
    write_all(file_.number(), bytes,
              "a temporary file in " + folder_.string() + " (TMPDIR names another folder)");
    size_ += bytes.size();
  }
  /// Bytes written so far.
  std::size_t size() const { return size_; }
  MappedFile map() const { return {file_.number(), folder_}; }

 private:
  static fs::path temporary_folder() {
    const char* given = std::getenv("TMPDIR");
    return given != nullptr && *given != '\0' ? given : "/tmp";
  }

  fs::path folder_;
  Descriptor file_;
  std::size_t size_ = 0;
};

/// All entries go into one temporary file, one behind the other.
std::vector<InputFile> expand(const fs::path& path, std::span<const std::byte> bytes) {
  struct Extent {
    fs::path name;
    std::size_t begin, size;
  };
  std::vector<Extent> extents;
  ArchiveReader reader(path, bytes);
  TemporaryFile expanded;
  while (const auto name = reader.next_file()) {
    const std::size_t begin = expanded.size();
    reader.read([&](std::span<const std::byte> piece) { expanded.write(piece); });
    extents.push_back({*name, begin, expanded.size() - begin});
  }
  std::stable_sort(extents.begin(), extents.end(),
                   [](const Extent& a, const Extent& b) { return a.name < b.name; });
  const auto storage = std::make_shared<const MappedFile>(expanded.map());
  std::vector<InputFile> files;
  files.reserve(extents.size());
  for (const Extent& extent : extents) {
    files.push_back({(path / extent.name).string(),
                     storage->bytes().subspan(extent.begin, extent.size), storage});
  }
  return files;
}

std::vector<InputFile> open_file(const fs::path& path) {
  auto storage = std::make_shared<const MappedFile>(path);
  const std::span<const std::byte> bytes = storage->bytes();
  if (!is_archive(bytes)) return {{path.string(), bytes, std::move(storage)}};
  std::vector<InputFile> files = expand(path, bytes);
  if (files.empty()) throw UserError(path.string() + " contains no files");
  return files;
}

/// Links to files are followed, links to folders not (they may lead in circles); a broken link is
/// listed, so that opening it tells the user.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (fs::recursive_directory_iterator entry(folder), end; entry != end; ++entry) {
    if (is_hidden(entry->path().filename())) {
      entry.disable_recursion_pending();
      continue;
    }
    const fs::file_type type = entry->status().type();
    if (type == fs::file_type::regular || type == fs::file_type::not_found) {
      paths.push_back(entry->path());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<fs::path> files_of(const fs::path& path) {
  try {
    if (!fs::is_directory(path)) return {path};
    std::vector<fs::path> paths = files_below(path);
    if (paths.empty()) throw UserError("the folder " + path.string() + " contains no files");
    return paths;
  } catch (const fs::filesystem_error& error) {
    throw_file_error("read", error.path1().empty() ? path : error.path1(), error.code().value());
  }
}

}  // namespace

std::vector<InputFile> open_inputs(const std::vector<std::string>& paths) {
  std::vector<InputFile> inputs;
  for (const std::string& path : paths) {
    for (const fs::path& file : files_of(path)) {
      std::vector<InputFile> opened = open_file(file);
      std::move(opened.begin(), opened.end(), std::back_inserter(inputs));
    }
  }
  return inputs;
}

}  // namespace sparse_transformer
