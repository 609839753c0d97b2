#include "data/token_data.h"

#include <algorithm>
#include <array>

#include "data/mu_law.h"
#include "files/sha256.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kBlock = 1 << 20;
constexpr std::int64_t kHashedBlocks = 1024;

void hash_tokens(const Tokens& tokens, Sha256& hash) {
  const std::int64_t size = tokens.size();
  const std::int64_t blocks = (size + kBlock - 1) / kBlock;
  const std::int64_t step = std::max<std::int64_t>(1, blocks / kHashedBlocks);
  std::vector<std::uint8_t> block;
  for (std::int64_t i = 0; i < blocks; i += step) {
    block.resize(static_cast<std::size_t>(std::min(kBlock, size - i * kBlock)));
    tokens.read(i * kBlock, block);
    hash.update(std::as_bytes(std::span(block)));
  }
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

std::string DataSet::content_hash() const {
  Sha256 hash;
  std::string sizes = std::to_string(item_size);
  for (const auto& tokens : {train, valid, test}) {
    sizes += ' ';
    sizes += std::to_string(tokens->size());
    for (const std::int64_t start : tokens->part_starts()) {
      if (start > 0) sizes += '+' + std::to_string(start);
    }
  }
  hash.update(std::as_bytes(std::span(sizes)));
  for (const auto& tokens : {train, valid, test}) {
    hash_tokens(*tokens, hash);
  }
  return hash.hex();
}

}  // namespace sparse_transformer
