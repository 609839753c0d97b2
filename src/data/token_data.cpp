#include "data/token_data.h"

#include <algorithm>
#include <array>

#include "config/errors.h"
#include "data/mu_law.h"
#include "data/text.h"
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
