// Tokens as the model sees them: bytes in three splits, without LibTorch.
//
// A data set is either a stream (text: any n consecutive bytes are a sequence; recordings, scores:
// any n of the same part) or items (pictures, tunes: every item is one sequence of n bytes).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sparse_transformer {

/// Ranges of a TokenFormat, the same in settings, packed files and checkpoints.
inline constexpr std::int64_t kLeastSampleRate = 1000;
inline constexpr std::int64_t kMostSampleRate = 192'000;
inline constexpr std::int64_t kMostVoices = 64;
inline constexpr std::int64_t kMostStepsPerBeat = 64;
inline constexpr std::int64_t kMostPictureSide = 65'536;
/// Tokens of a sequence: few enough that the pairs of all heads can be counted in 64 bits.
inline constexpr std::int64_t kMostSequence = std::int64_t{1} << 24;

/// What the tokens stand for, so that they can become pictures, sound, scores or text again
/// (codec.h).
struct TokenFormat {
  enum class Kind { kBytes, kPicture, kSound, kScore };
  /// As files have them.
  static constexpr std::array<std::string_view, 4> kKindWords = {"bytes", "picture", "sound",
                                                                 "score"};
  Kind kind = Kind::kBytes;
  std::vector<std::int64_t> shape;  // pictures: height, width, channels (1 or 3); else empty
  std::int64_t sample_rate =
      0;                    // sound: tokens a second, each an 8-bit µ-law sample (G.711); else 0
  std::int64_t voices = 0;  // scores: tokens a time step, one a voice; else 0
  std::int64_t steps_per_beat = 0;  // scores: time steps a quarter note; else 0
  bool drums = false;               // scores: whether drums are notes like any others

  /// Tokens of a picture.
  std::int64_t picture_tokens() const { return shape[0] * shape[1] * shape[2]; }
  /// Tokens that belong together: in training sequences begin at multiples of it. A beat of a
  /// score, so that a position says where in the beat it lies; else 1.
  std::int64_t grain() const { return kind == Kind::kScore ? voices * steps_per_beat : 1; }
  /// What a recording or score shorter than a sequence is filled up with in training, so that its
  /// end is learnt too: silence. Nothing for other kinds, which are never filled up.
  std::optional<std::uint8_t> filler() const;

  bool operator==(const TokenFormat&) const = default;
};

/// Cells of a score that are no pitch (0 … 127, where a note begins).
inline constexpr std::uint8_t kHold = 128;  // the voice's note goes on
inline constexpr std::uint8_t kRest = 129;  // the voice is silent

/// Whether this is height, width, channels: each 1 … kMostPictureSide, channels 1 or 3.
bool is_picture_shape(std::span<const std::int64_t> shape);

/// Throws SettingError that names the member ("voices") which is out of its range, or which data of
/// another kind have.
void check_format(const TokenFormat& format);

/// The tokens of one split, read at any offset. Thread-safe; nothing is held in memory that could
/// be read from a file.
class Tokens {
 public:
  virtual ~Tokens() = default;
  virtual std::int64_t size() const = 0;
  /// Copies [offset, offset + out.size()), which must lie within size(). Throws UnreadableInput
  /// where the file has been cut since it was opened, or its disk fails.
  virtual void read(std::int64_t offset, std::span<std::uint8_t> out) const = 0;
  /// Where the parts begin that no sequence crosses: recordings, scores. Ascending, the first is 0.
  virtual std::vector<std::int64_t> part_starts() const { return {0}; }
};

/// Is told how much has been done, of all; may throw to stop it.
using DataProgress = std::function<void(std::int64_t done, std::int64_t total)>;

enum class Split { kTrain, kValid, kTest };
inline constexpr std::array<std::string_view, 3> kSplitWords = {"train", "valid", "test"};

/// A file that is no part of a data set, though its path was given.
struct SkippedFile {
  std::string name, reason;
};

/// A file as it was when the data were opened.
struct FileStamp {
  std::string path;
  std::int64_t size = 0;      // bytes
  std::int64_t modified = 0;  // nanoseconds since 1970
  bool operator==(const FileStamp&) const = default;
};

/// One data set: three splits (a split may be empty), one format.
struct DataSet {
  TokenFormat format;
  std::int64_t item_size = 0;  // tokens an item; 0 = a stream
  std::shared_ptr<const Tokens> train, valid, test;
  std::string source;            // for messages: "cifar10 data/cifar10"
  bool is_generated = false;     // by the program
  std::vector<FileStamp> files;  // of many a sample, evenly spread (DataWatch)
  std::vector<SkippedFile> skipped;
  std::vector<std::string> left_out;  // of files that are a part of it, a sentence each
  std::vector<std::string> warnings;  // what is odd in files that are a part of it, likewise

  const Tokens& split(Split which) const;
  bool is_stream() const { return item_size == 0; }
  /// SHA-256 (hex) over the sizes, the parts and the content of all splits, so equal where a
  /// resumed run would see the same tokens. A split of 2 GiB or more is hashed block by block on
  /// all cores, and the hashes of its blocks are hashed; of generated data, which follow from the
  /// settings, as sampled_content_hash() does. `progress` is told the tokens hashed so far, of all.
  std::string content_hash(const DataProgress& progress = {}) const;
  /// The hash that version 0.1.0 made of these data, where it read only some blocks of a split of 2
  /// GiB or more. Nothing where all splits are smaller: content_hash() is as it was.
  std::optional<std::string> sampled_content_hash(const DataProgress& progress = {}) const;
};

}  // namespace sparse_transformer
