#include "generation/output_file.h"

#include "config/errors.h"
#include "data/codec.h"
#include "files/atomic_file.h"
#include "files/system_files.h"
#include "runtime/log.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

void check_output(const fs::path& path, bool overwrite) {
  if (fs::is_directory(path)) throw UserError(path.string() + " is a folder, not a file");
  if (!overwrite && fs::exists(path)) {
    throw UserError(path.string() + " exists already; name another --out, or give --overwrite");
  }
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  if (!fs::is_directory(folder)) {
    throw UserError(folder.string() + ": there is no such folder for --out");
  }
  check_writable(path);
}

void check_picture_output(const fs::path& path, bool overwrite) {
  check_extension(path, {.kind = TokenFormat::Kind::kPicture, .shape = {}});
  check_output(path, overwrite);
}

void write_picture(const fs::path& path, const Image& image) {
  write_file(path, encode_png(image, {{"Software", "sparse-transformer"}}));
  log_info("drawn: " + path.string());
}

}  // namespace sparse_transformer
