// Drawing tokens of one model, as one run of the clock.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "generation/sampler.h"
#include "model/transformer.h"

namespace sparse_transformer {

/// A few tokens of so many sequences at once, drawn at places spread over a sequence. What comes
/// before a place is read in one parallel pass, which is not counted.
class SamplingRun {
 public:
  /// Sequences that are shorter have no room for the places.
  static constexpr std::int64_t kShortest = 16;

  /// n >= kShortest. The model must outlive this.
  SamplingRun(const Transformer& model, std::int64_t sequences);

  /// Seconds that the next token of every sequence takes, the mean over the places.
  double seconds_a_token() const;

  /// Tokens that a run reads in parallel, and that it draws for each sequence.
  static std::int64_t primed_tokens(std::int64_t n);
  static std::int64_t drawn_tokens(std::int64_t n, c10::Device device);

  /// Memory of the keys and values of whole sequences.
  std::int64_t cache_bytes() const;

 private:
  double seconds_at(std::int64_t place) const;

  const Transformer& model_;
  std::int64_t sequences_;
  std::vector<std::uint8_t> tokens_;  // that the sequences begin with
};

}  // namespace sparse_transformer
