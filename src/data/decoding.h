// From files that must be decoded (pictures, sound, scores) to a data set.
//
//     paths → files → decoded on all cores into one place on the disk → dealt to the splits
//
// Each file becomes one item or one part. What is decoded is kept in unlinked temporary files, not
// in memory; `prepare` keeps it for good.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/data_settings.h"
#include "data/token_data.h"
#include "data/token_sources.h"
#include "files/input_files.h"

namespace sparse_transformer {

/// Takes a file's tokens piece by piece.
using TokenSink = std::function<void(std::span<const std::uint8_t>)>;

/// Decodes one file and returns what is odd in it, a sentence each that names it; called by many
/// threads at once. Throws UserError naming the file where it is damaged or of no known format.
using Decode = std::function<std::vector<std::string>(const InputFile&, const TokenSink&)>;

/// The files' tokens, in the order of the files.
struct DecodedFiles {
  std::vector<TokenPiece> tokens;     // of each file that could be decoded
  std::vector<std::uint64_t> hashes;  // of their tokens: the first bytes of SHA-256
  std::vector<SkippedFile> skipped;
  std::vector<std::string> warnings;    // of archives, then of files
  std::shared_ptr<const void> storage;  // owns what `tokens` point to
};

/// Decodes all files that the paths name. A file without a token, or with more than its
/// ExpansionLimit, counts as damaged. Throws the UserError of a damaged file where the policy is to
/// stop (the first one met), else of there being none that could be decoded; WorldError for a full
/// disk; what `progress` throws.
DecodedFiles decode_files(const std::vector<std::string>& paths, const Decode& decode,
                          DamagedFiles policy, const DataProgress& progress);

/// Decodes data.path and the paths of its splits, and deals the files of the former to the splits
/// by their content (splits.h). `data` comes with format, source and item_size: where that is 0
/// each file is a part of a stream, else `decode` must give item_size tokens.
DataSet open_decoded(const DataSettings& settings, DataSet data, const Decode& decode,
                     const DataProgress& progress);

}  // namespace sparse_transformer
