// Tokens as the model sees them: bytes in three splits, without LibTorch.
//
// A data set is either a stream (text, sound: any n consecutive bytes are a sequence) or items
// (pictures, tunes: every item is one sequence of n bytes).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sparse_transformer {

/// What the tokens stand for, so that they can become pictures, sound or text again (codec.h).
struct TokenFormat {
  enum class Kind { kBytes, kPicture, kSound };
  Kind kind = Kind::kBytes;
  std::vector<std::int64_t> shape;  // pictures: height, width, channels (1 or 3); else empty
  std::int64_t sample_rate =
      0;  // sound: tokens a second, each an 8-bit µ-law sample (G.711); else 0

  bool operator==(const TokenFormat&) const = default;
};

/// Whether this is height, width, channels: each 1 … 65,536, channels 1 or 3.
bool is_picture_shape(std::span<const std::int64_t> shape);

/// The tokens of one split, read at any offset. Thread-safe; nothing is held in memory that could
/// be mapped.
class Tokens {
 public:
  virtual ~Tokens() = default;
  virtual std::int64_t size() const = 0;
  /// Copies [offset, offset + out.size()), which must lie within size().
  virtual void read(std::int64_t offset, std::span<std::uint8_t> out) const = 0;
};

enum class Split { kTrain, kValid, kTest };
inline constexpr std::array<std::string_view, 3> kSplitWords = {"train", "valid", "test"};
std::string_view split_name(Split split);

/// One data set: three splits (a split may be empty), one format.
struct DataSet {
  TokenFormat format;
  std::int64_t item_size = 0;  // tokens an item; 0 = a stream
  std::shared_ptr<const Tokens> train, valid, test;
  std::string source;  // for messages: "cifar10 data/cifar10"

  const Tokens& split(Split which) const;
  bool is_stream() const { return item_size == 0; }
  /// SHA-256 (hex) over the sizes and the content of all splits, so equal where a resumed run would
  /// see the same tokens. Of a split above 2 GiB evenly spread blocks, at least 1 GiB in all, so
  /// that opening data larger than memory stays quick.
  std::string content_hash() const;
};

}  // namespace sparse_transformer
