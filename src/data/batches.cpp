#include "data/batches.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <utility>

#include "config/errors.h"
#include "data/mirror.h"
#include "data/mix.h"
#include "data/permutation.h"
#include "data/transposition.h"

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
  if (length % data.format.grain() != 0) {
    throw UserError(data.source + ": a sequence has " + std::to_string(length) +
                    " tokens; set data.sequence to a multiple of the " +
                    std::to_string(data.format.grain()) + " of a beat");
  }
  if (data.train->size() < (data.format.filler() ? 1 : length)) {
    throw UserError(data.source + ": the training split has " + std::to_string(data.train->size()) +
                    " tokens, too few for one sequence of " + std::to_string(length));
  }
}

/// Where each part of a split ends: where the next begins.
std::vector<std::int64_t> part_ends(const Tokens& tokens) {
  std::vector<std::int64_t> ends = tokens.part_starts();
  ends.erase(ends.begin());
  ends.push_back(tokens.size());
  return ends;
}

}  // namespace

TrainingSequences::TrainingSequences(const DataSet& data, std::int64_t sequence_length,
                                     std::uint64_t seed, const Variation& variation)
    : tokens_(data.train),
      format_(data.format),
      length_(sequence_length),
      shifts_(data.is_stream()),
      seed_(seed),
      variation_(variation) {
  check_length(data, sequence_length);
  std::int64_t begin = 0;
  for (const std::int64_t end : part_ends(*tokens_)) {
    parts_.push_back({.begin = begin, .end = end, .first_window = per_epoch_});
    per_epoch_ += windows_in(parts_.back());
    begin = end;
  }
}

std::int64_t TrainingSequences::windows_in(const Part& part) const {
  const std::int64_t whole = (part.end - part.begin) / length_;
  return shifts_ ? std::max<std::int64_t>(1, whole - 1) : whole;
}

const TrainingSequences::Part& TrainingSequences::part_of(std::int64_t window) const {
  const auto after = std::upper_bound(
      parts_.begin(), parts_.end(), window,
      [](std::int64_t sought, const Part& part) { return sought < part.first_window; });
  return *std::prev(after);
}

TrainingSequences::Place TrainingSequences::place(std::int64_t g) const {
  const std::uint64_t epoch_key = mix(seed_, static_cast<std::uint64_t>(g / per_epoch_));
  const Permutation order(per_epoch_, mix(epoch_key, kOrder));
  const std::int64_t window = order(g % per_epoch_);
  const Part& part = part_of(window);
  const std::int64_t begin = part.begin + (window - part.first_window) * length_;
  if (!shifts_) return {begin, part.end};
  // A part shorter than two sequences has less than a sequence of room to shift.
  const std::int64_t size = part.end - part.begin;
  const std::int64_t room =
      std::clamp<std::int64_t>(size - windows_in(part) * length_, 0, length_ - 1);
  const auto shifts = static_cast<std::uint64_t>(room / format_.grain() + 1);
  const std::uint64_t random =
      mix(mix(epoch_key, kOffset), static_cast<std::uint64_t>(part.first_window));
  return {begin + static_cast<std::int64_t>(random % shifts) * format_.grain(), part.end};
}

std::int64_t TrainingSequences::offset(std::int64_t g) const { return place(g).begin; }

std::vector<std::uint8_t> TrainingSequences::read(std::int64_t first, std::int64_t count) const {
  std::vector<std::uint8_t> sequences(static_cast<std::size_t>(count * length_),
                                      format_.filler().value_or(0));
  for (std::int64_t i = 0; i < count; ++i) {
    const Place found = place(first + i);
    const auto sequence = std::span(sequences).subspan(
        static_cast<std::size_t>(i * length_),
        static_cast<std::size_t>(std::min(length_, found.part_end - found.begin)));
    tokens_->read(found.begin, sequence);
    if (variation_.transpose > 0) {
      transpose(sequence, drawn_semitones(seed_, first + i, variation_.transpose));
    }
    if (variation_.mirror && is_mirrored(seed_, first + i)) mirror(sequence, format_.shape);
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
  std::int64_t part = 0;
  for (const std::int64_t part_end : part_ends(tokens)) {
    for (std::int64_t scored = part; scored < part_end;) {
      if (limit > 0 && std::cmp_equal(windows.size(), limit)) return windows;
      const std::int64_t begin = std::max(part, scored - min_context);
      const std::int64_t end = std::min(begin + sequence_length, part_end);
      windows.push_back({.begin = begin, .end = end, .score_from = scored});
      scored = end;
    }
    part = part_end;
  }
  return windows;
}

}  // namespace sparse_transformer
