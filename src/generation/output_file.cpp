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

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
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

}  // namespace

void check_output(const fs::path& path, bool overwrite) { check_outputs({path}, overwrite); }

void check_outputs(const std::vector<fs::path>& paths, bool overwrite) {
  for (const fs::path& path : paths) check_is_writable(path, overwrite);
  if (!paths.empty()) remove_leftovers(folder_of(paths.front()), kAtomicFilePrefix);
}

void check_picture_output(const fs::path& path, bool overwrite) {
  check_extension(path, {.kind = TokenFormat::Kind::kPicture, .shape = {}});
  check_output(path, overwrite);
}

bool is_within(const fs::path& path, const fs::path& folder) {
  // A relative path whose beginning is not there yet would stay relative.
  const fs::path whole = fs::weakly_canonical(fs::absolute(path));
  const fs::path outer = fs::weakly_canonical(fs::absolute(folder));
  return std::mismatch(outer.begin(), outer.end(), whole.begin(), whole.end()).first == outer.end();
}

void check_is_no_input(const fs::path& out, const std::vector<fs::path>& inputs) {
  for (const fs::path& input : inputs) {
    if (!is_within(out, input)) continue;
    throw UserError(out.string() + " is among what is read (" + input.string() +
                    "); name another --out");
  }
}

void write_picture(const fs::path& path, const Image& image) {
  write_file(path, encode_png(image, {{"Software", "sparse-transformer"}}));
  log_info("drawn: " + path.string());
}

}  // namespace sparse_transformer
