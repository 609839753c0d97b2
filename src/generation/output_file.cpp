#include "generation/output_file.h"

#include <algorithm>

#include "config/errors.h"
#include "data/codec.h"
#include "files/atomic_file.h"
#include "files/leftovers.h"
#include "files/system_files.h"
#include "runtime/log.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

void check_is_named(const fs::path& path) {
  if (path.empty()) throw UserError("--out: got '', expected a file's name");
}

void check_is_writable(const fs::path& path, bool overwrite) {
  if (fs::is_directory(path)) throw UserError(path.string() + " is a folder, not a file");
  if (fs::exists(path) && !fs::is_regular_file(path)) {
    throw UserError(path.string() + " is not a regular file; name another --out");
  }
  if (!overwrite && fs::exists(path)) {
    throw UserError(path.string() + " exists already; name another --out, or give --overwrite");
  }
  const fs::path folder = folder_of(path);
  if (!fs::is_directory(folder)) {
    throw UserError(folder.string() + ": there is no such folder for --out");
  }
  check_writable(path);
}

/// A relative path whose beginning is not there yet would stay relative.
fs::path whole_path(const fs::path& path) { return fs::weakly_canonical(fs::absolute(path)); }

bool begins_with(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

}  // namespace

void check_output(const fs::path& path, bool overwrite) { check_outputs({path}, overwrite); }

void check_outputs(const std::vector<fs::path>& paths, bool overwrite) {
  for (const fs::path& path : paths) check_is_named(path);
  for (const fs::path& path : paths) check_is_writable(path, overwrite);
  if (!paths.empty()) remove_leftovers(folder_of(paths.front()), kAtomicFilePrefix);
}

void check_picture_output(const fs::path& path, bool overwrite) {
  check_is_named(path);
  check_extension(path, {.kind = TokenFormat::Kind::kPicture, .shape = {}});
  check_output(path, overwrite);
}

bool is_within(const fs::path& path, const fs::path& folder) {
  return begins_with(whole_path(path), whole_path(folder));
}

void check_are_no_inputs(const std::vector<fs::path>& outs, const std::vector<fs::path>& inputs) {
  std::vector<fs::path> whole;
  for (const fs::path& input : inputs) whole.push_back(whole_path(input));
  for (const fs::path& out : outs) {
    const fs::path place = whole_path(out);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!begins_with(place, whole[i])) continue;
      throw UserError(out.string() + " is among what is read (" + inputs[i].string() +
                      "); name another --out");
    }
  }
}

void write_picture(const fs::path& path, const Image& image) {
  write_file(path, encode_png(image, {{"Software", "sparse-transformer"}}));
  log_info("drawn: " + path.string());
}

}  // namespace sparse_transformer
