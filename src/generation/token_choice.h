// From the logits of a position to its token.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "config/errors.h"

namespace sparse_transformer {

/// A logit is not finite.
class NotFiniteOutput : public WorldError {
 public:
  NotFiniteOutput()
      : WorldError("the model's output is not finite, so nothing can be sampled from it") {}
};

/// What is done to the model's distribution before a token is drawn.
struct TokenChoice {
  double temperature = 1.0;  // the logits are divided by it; 0 = the most likely token, always
  std::int64_t top_k = 0;    // only the k most likely tokens; 0 = all
  double top_p = 1.0;        // only the fewest most likely tokens that reach this probability
};

using TokenProbabilities = std::array<double, 256>;

/// The probabilities that a token is drawn from, which add up to 1: temperature, then top-k, then
/// top-p of what is left. Of equally likely tokens the lower one comes first. Throws
/// NotFiniteOutput where a logit is not finite.
TokenProbabilities token_probabilities(std::span<const double, 256> logits,
                                       const TokenChoice& choice);

/// The token at quantile `uniform`, in (0, 1), of the cumulative distribution in the order of the
/// bytes. Never one of probability 0.
std::uint8_t token_at(const TokenProbabilities& probabilities, double uniform);

}  // namespace sparse_transformer
