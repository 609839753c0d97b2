// Which tokens a training step or an evaluation sees.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/token_data.h"

namespace sparse_transformer {

/// What training makes of a sequence beside its place, by chance.
struct Variation {
  std::int64_t transpose = 0;  // scores: semitones, up or down, at most (transposition.h)
  bool mirror = false;         // pictures: half of them (mirror.h)
};

/// Training sequences as a pure function of (seed, index): nothing is stored for an exact resume
/// but the step.
///
/// Sequence g of the run belongs to epoch g / per_epoch(). Items: an epoch is every item once, in
/// an order given by a keyed permutation of the epoch (a Feistel network with cycle walking: no
/// memory). A stream: in each of its parts one random offset in [0, n) an epoch, then windows of n
/// without overlap, all permuted likewise; a part has as many windows as fit behind every offset,
/// max(1, floor(size / n) - 1), and one shorter than n is filled up (TokenFormat::filler).
class TrainingSequences {
 public:
  /// Throws UserError when the split is shorter than one sequence and cannot be filled up, or when
  /// n is no multiple of the format's grain (names source, size and n).
  TrainingSequences(const DataSet& data, std::int64_t sequence_length, std::uint64_t seed,
                    const Variation& variation = {});

  std::int64_t per_epoch() const { return per_epoch_; }
  /// Where sequence g starts in the training split: a multiple of the format's grain.
  std::int64_t offset(std::int64_t g) const;
  /// The sequences g … g + count - 1, one after another: [count, n].
  std::vector<std::uint8_t> read(std::int64_t first, std::int64_t count) const;

 private:
  /// Where a window lies: windows [first_window, …) belong to the part that begins at `begin`.
  struct Part {
    std::int64_t begin, end, first_window;
  };

  const Part& part_of(std::int64_t window) const;
  std::int64_t windows_in(const Part& part) const;
  /// Sequence g of the run, as a window of its part.
  struct Place {
    std::int64_t begin, part_end;
  };
  Place place(std::int64_t g) const;

  std::shared_ptr<const Tokens> tokens_;
  TokenFormat format_;
  std::int64_t length_;
  bool shifts_;  // a stream's windows lie elsewhere in each epoch
  std::uint64_t seed_;
  Variation variation_;
  std::vector<Part> parts_;
  std::int64_t per_epoch_ = 0;
};

/// A stretch of a split to score: tokens [begin, end) are read, and of these [score_from, end) are
/// counted.
struct EvaluationWindow {
  std::int64_t begin, end, score_from;
};

/// Windows that count every token of a split exactly once. Items: each item. A part of a stream
/// with min_context = 0: windows of n without overlap, the last one shorter; with min_context = M:
/// windows that advance by n - M, so that every token but the part's first M has at least M tokens
/// before it (paper §7.2, table 3). `limit` > 0 keeps only the first that many windows.
std::vector<EvaluationWindow> evaluation_windows(const Tokens& tokens, std::int64_t item_size,
                                                 std::int64_t sequence_length,
                                                 std::int64_t min_context, std::int64_t limit = 0);

}  // namespace sparse_transformer
