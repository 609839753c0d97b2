#include "data/batches.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "config/errors.h"
#include "data/mix.h"
#include "data/permutation.h"

namespace sparse_transformer {

namespace {

// Different numbers of one epoch come from different counters.
constexpr std::uint64_t kOrder = 0;
constexpr std::uint64_t kOffset = 1;

void check_length(const DataSet& data, std::int64_t length) {
  if (data.item_size > 0 && data.item_size != length) {
    throw UserError(data.source + ": its items have " + std::to_string(data.item_size) +
                    " tokens, but a sequence has " + std::to_string(length) +
                    "; set data.sequence to " + std::to_string(data.item_size));
  }
  if (data.train->size() < length) {
    throw UserError(data.source + ": the training split has " + std::to_string(data.train->size()) +
                    " tokens, too few for one sequence of " + std::to_string(length));
  }
}

}  // namespace

TrainingSequences::TrainingSequences(const DataSet& data, std::int64_t sequence_length,
                                     std::uint64_t seed)
    : tokens_(data.train), length_(sequence_length), item_size_(data.item_size), seed_(seed) {
  check_length(data, sequence_length);
  const std::int64_t whole = tokens_->size() / length_;
  per_epoch_ = data.is_stream() ? std::max<std::int64_t>(1, whole - 1) : whole;
}

std::int64_t TrainingSequences::offset(std::int64_t g) const {
  const std::uint64_t epoch_key = mix(seed_, static_cast<std::uint64_t>(g / per_epoch_));
  const Permutation order(per_epoch_, mix(epoch_key, kOrder));
  const std::int64_t start = order(g % per_epoch_) * length_;
  if (item_size_ > 0) {
    return start;
  }
  // A stream shorter than two sequences has less than a sequence of room to shift.
  const std::int64_t offsets = std::min(length_, tokens_->size() - per_epoch_ * length_ + 1);
  const std::uint64_t random = mix(epoch_key, kOffset);
  return start + static_cast<std::int64_t>(random % static_cast<std::uint64_t>(offsets));
}

std::vector<std::uint8_t> TrainingSequences::read(std::int64_t first, std::int64_t count) const {
  std::vector<std::uint8_t> sequences(static_cast<std::size_t>(count * length_));
  for (std::int64_t i = 0; i < count; ++i) {
    tokens_->read(offset(first + i),
                  std::span(sequences).subspan(static_cast<std::size_t>(i * length_),
                                               static_cast<std::size_t>(length_)));
  }
  return sequences;
}

std::vector<EvaluationWindow> evaluation_windows(const Tokens& tokens, std::int64_t item_size,
                                                 std::int64_t sequence_length,
                                                 std::int64_t min_context, std::int64_t limit) {
  if (min_context < 0 || min_context >= sequence_length) {
    throw UserError("a minimum context of " + std::to_string(min_context) +
                    " tokens; expected 0 to " + std::to_string(sequence_length - 1) +
                    ", one less than a sequence");
  }
  if (item_size > 0 && min_context > 0) {
    throw UserError("a minimum context of " + std::to_string(min_context) +
                    " tokens; pictures and other items are scored whole, expected 0");
  }
  if (item_size > 0 && item_size != sequence_length) {
    throw UserError("the data's items have " + std::to_string(item_size) +
                    " tokens, but a sequence has " + std::to_string(sequence_length));
  }
  std::vector<EvaluationWindow> windows;
  const std::int64_t size = tokens.size();
  for (std::int64_t scored = 0; scored < size;) {
    if (limit > 0 && std::cmp_equal(windows.size(), limit)) {
      break;
    }
    const std::int64_t begin = std::max<std::int64_t>(0, scored - min_context);
    const std::int64_t end = std::min(begin + sequence_length, size);
    windows.push_back({.begin = begin, .end = end, .score_from = scored});
    scored = end;
  }
  return windows;
}

}  // namespace sparse_transformer
