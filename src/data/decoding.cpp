#include "data/decoding.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <numeric>
#include <optional>
#include <utility>

#include "config/errors.h"
#include "data/damage.h"
#include "data/parallel.h"
#include "data/splits.h"
#include "data/text.h"
#include "data/token_sources.h"
#include "files/expansion_limit.h"
#include "files/mapped_file.h"
#include "files/sha256.h"
#include "files/temporary_file.h"

namespace sparse_transformer {

namespace {

/// Where a file's tokens lie in the temporary file of the thread that decoded it, or why not.
struct Outcome {
  std::size_t thread = 0, begin = 0, size = 0;
  std::uint64_t hash = 0;
  std::optional<std::string> fault;
  std::vector<std::string> warnings;
};

/// Decodes one file after the other, each into the temporary file of the thread that got it.
class Decoding {
 public:
  Decoding(std::vector<PendingInput> files, const Decode& decode, DamagedFiles policy)
      : files_(std::move(files)),
        decode_(decode),
        policy_(policy),
        outcomes_(files_.size()),
        storage_(threads_for(files_.size())) {}

  DecodedFiles run(const DataProgress& progress) {
    const auto watch = [&](std::int64_t done, std::int64_t total) {
      try {
        if (progress) progress(done, total);
      } catch (...) {
        is_stopped_ = true;  // decoding one recording may take minutes
        throw;
      }
    };
    in_parallel(
        files_.size(),
        [this](std::size_t thread, std::size_t index) { decode_file(thread, index); }, watch);
    return collect();
  }

 private:
  void decode_file(std::size_t thread, std::size_t index) {
    TemporaryFile& storage = storage_[thread];
    Outcome& outcome = outcomes_[index];
    outcome.thread = thread;
    outcome.begin = storage.size();
    outcome.fault = fault_of(policy_, [&] {
      const InputFile file = files_[index].open();
      ExpansionLimit limit(file.name, file.bytes.size());
      Sha256 hash;
      const TokenSink sink = [&](std::span<const std::uint8_t> tokens) {
        if (is_stopped_) throw WorldError(file.name + ": decoding was stopped");
        limit.add(tokens.size());
        storage.write(std::as_bytes(tokens));
        hash.update(std::as_bytes(tokens));
      };
      file.storage->parse([&] { outcome.warnings = decode_(file, sink); });
      outcome.size = storage.size() - outcome.begin;
      outcome.hash = hash.number();
      if (outcome.size == 0) throw UserError(file.name + ": empty");
    });
    if (outcome.fault) storage.cut(outcome.begin);
  }

  DecodedFiles collect() const {
    auto storage = std::make_shared<std::vector<MappedFile>>();
    std::transform(storage_.begin(), storage_.end(), std::back_inserter(*storage),
                   [](const TemporaryFile& file) { return file.map(); });
    DecodedFiles decoded;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const Outcome& outcome = outcomes_[i];
      if (outcome.fault) {
        decoded.skipped.push_back({files_[i].name, *outcome.fault});
        continue;
      }
      const MappedFile& decoded_by = (*storage)[outcome.thread];
      decoded.tokens.push_back(
          {decoded_by.bytes().subspan(outcome.begin, outcome.size), &decoded_by});
      decoded.hashes.push_back(outcome.hash);
      decoded.warnings.insert(decoded.warnings.end(), outcome.warnings.begin(),
                              outcome.warnings.end());
    }
    decoded.storage = std::move(storage);
    return decoded;
  }

  std::vector<PendingInput> files_;
  const Decode& decode_;
  DamagedFiles policy_;
  std::atomic<bool> is_stopped_ = false;
  std::vector<Outcome> outcomes_;       // one a file, written by the thread that has the file
  std::vector<TemporaryFile> storage_;  // one a thread
};

std::shared_ptr<const Tokens> tokens_of(const DecodedFiles& decoded,
                                        const std::vector<std::size_t>& files, bool parted) {
  std::vector<TokenPiece> pieces;
  std::vector<std::int64_t> starts;
  std::int64_t end = 0;
  for (const std::size_t file : files) {
    pieces.push_back(decoded.tokens[file]);
    starts.push_back(end);
    end += std::ssize(pieces.back().bytes);
  }
  auto tokens = std::make_shared<const ConcatenatedTokens>(std::move(pieces), decoded.storage);
  if (!parted || starts.empty()) return tokens;
  return std::make_shared<const PartedTokens>(std::move(tokens), std::move(starts));
}

}  // namespace

DecodedFiles decode_files(const std::vector<std::string>& paths, const Decode& decode,
                          DamagedFiles policy, const DataProgress& progress) {
  std::vector<std::string> warnings;  // of archives
  Decoding decoding(list_inputs(paths, progress, &warnings), decode, policy);
  DecodedFiles decoded = decoding.run(progress);
  decoded.warnings.insert(decoded.warnings.begin(), warnings.begin(), warnings.end());
  if (decoded.tokens.empty()) {
    const std::string more = decoded.skipped.size() == 1 ? "" : " (and none of the others can)";
    throw UserError(decoded.skipped.front().reason + more);
  }
  return decoded;
}

DataSet open_decoded(const DataSettings& settings, DataSet data, const Decode& decode,
                     const DataProgress& progress) {
  const auto decode_paths = [&](const std::vector<std::string>& paths) {
    DecodedFiles decoded = decode_files(paths, decode, settings.damaged, progress);
    std::move(decoded.skipped.begin(), decoded.skipped.end(), std::back_inserter(data.skipped));
    std::move(decoded.warnings.begin(), decoded.warnings.end(), std::back_inserter(data.warnings));
    return decoded;
  };
  const DecodedFiles decoded = decode_paths(settings.path);
  const DealtItems dealt = deal_items(settings.split, decoded.hashes, data.source);
  const auto split = [&](const NumberOrPaths& size, const std::vector<std::size_t>& items) {
    const std::vector<std::string> paths = split_paths(size);
    if (paths.empty()) return tokens_of(decoded, items, data.is_stream());
    const DecodedFiles own = decode_paths(paths);
    std::vector<std::size_t> all(own.tokens.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return tokens_of(own, all, data.is_stream());
  };
  data.train = tokens_of(decoded, dealt.train, data.is_stream());
  data.valid = split(settings.split.valid, dealt.valid);
  data.test = split(settings.split.test, dealt.test);
  return data;
}

}  // namespace sparse_transformer
