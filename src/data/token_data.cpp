#include "data/token_data.h"

#include <algorithm>
#include <array>

#include "data/mu_law.h"
#include "data/parallel.h"
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
  const auto is_size = [](std::int64_t size) { return size >= 1 && size <= 65536; };
  return shape.size() == 3 && std::all_of(shape.begin(), shape.end(), is_size) &&
         (shape[2] == 1 || shape[2] == 3);
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
