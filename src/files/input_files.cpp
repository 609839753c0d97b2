#include "files/input_files.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "config/errors.h"
#include "files/archive.h"
#include "files/expansion_limit.h"
#include "files/system_files.h"
#include "files/temporary_file.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

/// All entries go into one temporary file, one behind the other.
std::vector<InputFile> expand(const fs::path& path, std::span<const std::byte> bytes,
                              const ReadProgress& progress, std::vector<std::string>* warnings) {
  struct Extent {
    fs::path name;
    std::size_t begin, size;
  };
  std::vector<Extent> extents;
  ArchiveReader reader(path, bytes, progress);
  TemporaryFile expanded;
  ExpansionLimit limit(path.string(), bytes.size());
  while (const auto name = reader.next_file()) {
    const std::size_t begin = expanded.size();
    reader.read([&](std::span<const std::byte> piece) {
      limit.add(piece.size());
      expanded.write(piece);
    });
    extents.push_back({*name, begin, expanded.size() - begin});
  }
  if (warnings != nullptr) {
    warnings->insert(warnings->end(), reader.warnings().begin(), reader.warnings().end());
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

InputFile open_as_it_is(const fs::path& path) {
  auto storage = std::make_shared<const MappedFile>(path);
  const std::span<const std::byte> bytes = storage->bytes();
  return {path.string(), bytes, std::move(storage)};
}

std::vector<InputFile> open_file(const fs::path& path, const ReadProgress& progress,
                                 std::vector<std::string>* warnings) {
  InputFile file = open_as_it_is(path);
  if (!is_archive(file)) return {std::move(file)};
  std::vector<InputFile> files;
  file.storage->parse([&] { files = expand(path, file.bytes, progress, warnings); });
  if (files.empty()) throw UserError(path.string() + " contains no files");
  return files;
}

/// Links to files are followed, links to folders not (they may lead in circles); a link that is
/// broken or leads to itself is listed, so that opening it tells the user.
std::vector<fs::path> files_below(const fs::path& folder, const ReadProgress& progress) {
  std::vector<fs::path> paths;
  for (fs::recursive_directory_iterator entry(folder), end; entry != end; ++entry) {
    if (is_hidden(entry->path().filename())) {
      entry.disable_recursion_pending();
      continue;
    }
    std::error_code problem;
    const fs::file_type type = entry->status(problem).type();
    if (problem || type == fs::file_type::regular || type == fs::file_type::not_found) {
      paths.push_back(entry->path());
      if (progress) progress(std::ssize(paths), std::ssize(paths));
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<fs::path> files_of(const fs::path& path, const ReadProgress& progress) {
  try {
    if (!fs::is_directory(path)) return {path};
    std::vector<fs::path> paths = files_below(path, progress);
    if (paths.empty()) throw UserError("the folder " + path.string() + " contains no files");
    return paths;
  } catch (const fs::filesystem_error& error) {
    throw_file_error("read", error.path1().empty() ? path : error.path1(), error.code().value());
  }
}

bool is_archive_file(const fs::path& path) {
  return is_archive(read_beginning(path, kArchiveHeader));
}

PendingInput pending(const fs::path& path) {
  return {path.string(), [path] { return open_as_it_is(path); }};
}

/// Calls `use` with each file that the paths name.
void for_each_file(const std::vector<std::string>& paths, const ReadProgress& progress,
                   const std::function<void(const fs::path&)>& use) {
  for (const std::string& path : paths) {
    const std::vector<fs::path> files = files_of(path, progress);
    for (std::size_t i = 0; i < files.size(); ++i) {
      use(files[i]);
      if (progress) progress(static_cast<std::int64_t>(i) + 1, std::ssize(files));
    }
  }
}

}  // namespace

std::vector<std::string> list_files(const std::vector<std::string>& paths,
                                    const ReadProgress& progress) {
  std::vector<std::string> names;
  for_each_file(paths, progress, [&](const fs::path& file) { names.push_back(file.string()); });
  return names;
}

bool is_archive(const InputFile& file) {
  std::vector<std::byte> beginning(std::min(kArchiveHeader, file.bytes.size()));
  if (beginning.empty()) return false;
  file.storage->read(file.bytes.first(beginning.size()), beginning);
  return is_archive(beginning);
}

std::vector<PendingInput> list_inputs(const std::vector<std::string>& paths,
                                      const ReadProgress& progress,
                                      std::vector<std::string>* warnings) {
  std::vector<PendingInput> inputs;
  for_each_file(paths, progress, [&](const fs::path& file) {
    try {
      if (!is_archive_file(file)) {
        inputs.push_back(pending(file));
        return;
      }
      for (const InputFile& entry : open_file(file, progress, warnings)) {
        inputs.push_back({entry.name, [entry] { return entry; }});
      }
    } catch (const UserError&) {
      const auto problem = std::current_exception();
      inputs.push_back(
          {file.string(), [problem]() -> InputFile { std::rethrow_exception(problem); }});
    }
  });
  return inputs;
}

std::vector<InputFile> open_inputs(const std::vector<std::string>& paths,
                                   const ReadProgress& progress,
                                   std::vector<std::string>* warnings) {
  std::vector<InputFile> inputs;
  for_each_file(paths, progress, [&](const fs::path& file) {
    std::vector<InputFile> opened = open_file(file, progress, warnings);
    std::move(opened.begin(), opened.end(), std::back_inserter(inputs));
  });
  return inputs;
}

}  // namespace sparse_transformer
