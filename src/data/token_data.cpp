#include "data/token_data.h"

#include <algorithm>
#include <array>

#include "config/errors.h"
#include "data/mu_law.h"
#include "data/parallel.h"
#include "data/text.h"
#include "files/sha256.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kBlock = 1 << 20;
constexpr std::int64_t kSampledBlocks = 1024;  // at least

std::int64_t blocks_of(const Tokens& tokens) { return (tokens.size() + kBlock - 1) / kBlock; }

/// From this size on, hashing on one core takes long.
bool is_large(const Tokens& tokens) { return blocks_of(tokens) >= 2 * kSampledBlocks; }

std::array<const Tokens*, 3> splits_of(const DataSet& data) {
  return {data.train.get(), data.valid.get(), data.test.get()};
}

void read_block(const Tokens& tokens, std::int64_t index, std::vector<std::uint8_t>& block) {
  block.resize(static_cast<std::size_t>(std::min(kBlock, tokens.size() - index * kBlock)));
  tokens.read(index * kBlock, block);
}

/// Hashes one data set, and tells how far it has come.
class Hasher {
 public:
  Hasher(const DataSet& data, const DataProgress& progress) : progress_(progress) {
    std::string sizes = std::to_string(data.item_size);
    for (const Tokens* tokens : splits_of(data)) {
      total_ += tokens->size();
      sizes += ' ';
      sizes += std::to_string(tokens->size());
      for (const std::int64_t start : tokens->part_starts()) {
        if (start > 0) sizes += '+' + std::to_string(start);
      }
    }
    hash_.update(std::as_bytes(std::span(sizes)));
  }

  /// Every block whose index is a multiple of `step`.
  void add_blocks(const Tokens& tokens, std::int64_t step) {
    std::vector<std::uint8_t> block;
    for (std::int64_t i = 0; i < blocks_of(tokens); i += step) {
      read_block(tokens, i, block);
      hash_.update(std::as_bytes(std::span(block)));
      if (progress_) progress_(done_ + i * kBlock, total_);
    }
    done_ += tokens.size();
  }

  /// The hash of every block.
  void add_hashes_of_blocks(const Tokens& tokens) {
    const auto count = static_cast<std::size_t>(blocks_of(tokens));
    std::vector<std::vector<std::uint8_t>> blocks(threads_for(count));
    std::vector<std::string> hashes(count);
    in_parallel(
        count,
        [&](std::size_t thread, std::size_t index) {
          read_block(tokens, static_cast<std::int64_t>(index), blocks[thread]);
          Sha256 hash;
          hash.update(std::as_bytes(std::span(blocks[thread])));
          hashes[index] = hash.hex();
        },
        [this](std::int64_t done, std::int64_t) {
          if (progress_) progress_(done_ + done * kBlock, total_);
        });
    for (const std::string& hash : hashes) hash_.update(std::as_bytes(std::span(hash)));
    done_ += tokens.size();
  }

  std::string hex() const { return hash_.hex(); }

 private:
  const DataProgress& progress_;
  Sha256 hash_;
  std::int64_t done_ = 0;
  std::int64_t total_ = 0;
};

/// Checks a number that formats of some kind have, and that is 0 in others.
void check_number(const char* key, std::int64_t number, bool belongs, std::int64_t low,
                  std::int64_t high) {
  if (belongs ? number >= low && number <= high : number == 0) return;
  const std::string expected =
      belongs ? "a whole number from " + std::to_string(low) + " to " + std::to_string(high)
              : "0 for data of this kind";
  throw SettingError(key, "got " + std::to_string(number) + ", expected " + expected);
}

}  // namespace

std::optional<std::uint8_t> TokenFormat::filler() const {
  switch (kind) {
    case Kind::kSound:
      return mu_law_encode(0);
    case Kind::kScore:
      return kRest;
    case Kind::kBytes:
    case Kind::kPicture:
      break;
  }
  return std::nullopt;
}

bool is_picture_shape(std::span<const std::int64_t> shape) {
  const auto is_size = [](std::int64_t size) { return size >= 1 && size <= kMostPictureSide; };
  return shape.size() == 3 && std::all_of(shape.begin(), shape.end(), is_size) &&
         (shape[2] == 1 || shape[2] == 3);
}

void check_format(const TokenFormat& format) {
  using Kind = TokenFormat::Kind;
  const bool is_picture = format.kind == Kind::kPicture;
  if (is_picture ? !is_picture_shape(format.shape) : !format.shape.empty()) {
    const std::string expected =
        is_picture ? "[height, width, channels] with 1 or 3 channels" : "[] for data of this kind";
    throw SettingError("shape", "got " + shape_text(format.shape) + ", expected " + expected);
  }
  const bool is_score = format.kind == Kind::kScore;
  check_number("sample_rate", format.sample_rate, format.kind == Kind::kSound, kLeastSampleRate,
               kMostSampleRate);
  check_number("voices", format.voices, is_score, 1, kMostVoices);
  check_number("steps_per_beat", format.steps_per_beat, is_score, 1, kMostStepsPerBeat);
  if (format.drums && !is_score) {
    throw SettingError("drums", "got true, expected false for data of this kind");
  }
}

const Tokens& DataSet::split(Split which) const {
  switch (which) {
    case Split::kTrain:
      return *train;
    case Split::kValid:
      return *valid;
    case Split::kTest:
      break;
  }
  return *test;
}

std::string DataSet::content_hash(const DataProgress& progress) const {
  if (is_generated) {
    if (const auto sampled = sampled_content_hash(progress)) return *sampled;
  }
  Hasher hasher(*this, progress);
  for (const Tokens* tokens : splits_of(*this)) {
    if (is_large(*tokens)) {
      hasher.add_hashes_of_blocks(*tokens);
    } else {
      hasher.add_blocks(*tokens, 1);
    }
  }
  return hasher.hex();
}

std::optional<std::string> DataSet::sampled_content_hash(const DataProgress& progress) const {
  const auto splits = splits_of(*this);
  if (std::none_of(splits.begin(), splits.end(), [](auto* tokens) { return is_large(*tokens); })) {
    return std::nullopt;
  }
  Hasher hasher(*this, progress);
  for (const Tokens* tokens : splits) {
    hasher.add_blocks(*tokens, std::max<std::int64_t>(1, blocks_of(*tokens) / kSampledBlocks));
  }
  return hasher.hex();
}

}  // namespace sparse_transformer
