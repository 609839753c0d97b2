#include "data/bytes.h"

#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "config/errors.h"
#include "data/splits.h"
#include "data/text.h"
#include "data/token_sources.h"
#include "files/input_files.h"

namespace sparse_transformer {

namespace {

using Bytes = std::shared_ptr<const ConcatenatedTokens>;

/// All bytes of the files, a whole number of `unit` bytes.
Bytes open_paths(const std::vector<std::string>& paths, std::int64_t unit,
                 const DataProgress& progress, std::vector<std::string>& warnings) {
  auto files =
      std::make_shared<const std::vector<InputFile>>(open_inputs(paths, progress, &warnings));
  std::vector<TokenPiece> pieces;
  for (const InputFile& file : *files) {
    pieces.push_back({file.bytes, file.storage.get()});
  }
  auto bytes = std::make_shared<const ConcatenatedTokens>(std::move(pieces), std::move(files));
  if (bytes->size() == 0) {
    throw UserError(paths_text(paths) + ": empty; expected at least one byte");
  }
  if (bytes->size() % unit != 0) {
    throw UserError(paths_text(paths) + ": " + std::to_string(bytes->size()) +
                    " bytes are not a whole number of pictures of " + std::to_string(unit));
  }
  return bytes;
}

}  // namespace

DataSet open_bytes(const DataSettings& settings, const DataProgress& progress) {
  DataSet data;
  data.source = "bytes " + paths_text(settings.path);
  const std::vector<std::int64_t> shape = settings.picture_shape();
  if (!shape.empty()) {
    data.format = {.kind = TokenFormat::Kind::kPicture, .shape = shape};
    data.item_size = settings.sequence_length();
  }
  const std::int64_t unit = data.is_stream() ? 1 : data.item_size;
  const Bytes bytes = open_paths(settings.path, unit, progress, data.warnings);
  const SplitCounts counts = split_counts(settings.split, bytes->size() / unit, data.source);
  const std::int64_t valid_begin = counts.train * unit;
  const std::int64_t test_begin = valid_begin + counts.valid * unit;

  const auto valid_paths = split_paths(settings.split.valid);
  const auto test_paths = split_paths(settings.split.test);
  data.train = bytes->slice(0, valid_begin);
  data.valid = valid_paths.empty() ? bytes->slice(valid_begin, test_begin)
                                   : open_paths(valid_paths, unit, progress, data.warnings);
  data.test = test_paths.empty() ? bytes->slice(test_begin, bytes->size())
                                 : open_paths(test_paths, unit, progress, data.warnings);
  return data;
}

}  // namespace sparse_transformer
