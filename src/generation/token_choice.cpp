#include "generation/token_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sparse_transformer {
namespace {

/// exp(logit / temperature), the largest being 1; temperature 0 is the limit without ties.
TokenProbabilities weights_of(std::span<const double, 256> logits, double temperature) {
  const auto largest = std::max_element(logits.begin(), logits.end());
  TokenProbabilities weights = {};
  if (temperature == 0.0) {
    weights[static_cast<std::size_t>(largest - logits.begin())] = 1.0;
    return weights;
  }
  std::transform(logits.begin(), logits.end(), weights.begin(),
                 [&](double logit) { return std::exp((logit - *largest) / temperature); });
  return weights;
}

/// Sets all but the most likely tokens to 0: at most `top_k` stay, and no more than are needed for
/// a share of `top_p` of them.
void keep_most_likely(TokenProbabilities& weights, std::size_t top_k, double top_p) {
  std::array<std::uint8_t, 256> order = {};
  std::iota(order.begin(), order.end(), std::uint8_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint8_t a, std::uint8_t b) { return weights[a] > weights[b]; });
  double total = 0.0;
  for (std::size_t i = 0; i < top_k; ++i) total += weights[order[i]];
  double sum = 0.0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool enough = top_p < 1.0 && sum >= top_p * total;
    if (i >= top_k || enough) weights[order[i]] = 0.0;
    sum += weights[order[i]];
  }
}

}  // namespace

TokenProbabilities token_probabilities(std::span<const double, 256> logits,
                                       const TokenChoice& choice) {
  if (!std::all_of(logits.begin(), logits.end(), [](double x) { return std::isfinite(x); })) {
    throw NotFiniteOutput();
  }
  TokenProbabilities weights = weights_of(logits, choice.temperature);
  if (choice.top_k > 0 || choice.top_p < 1.0) {
    const std::int64_t most = std::min<std::int64_t>(choice.top_k, 256);
    keep_most_likely(weights, static_cast<std::size_t>(most > 0 ? most : 256), choice.top_p);
  }
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= total;
  return weights;
}

std::uint8_t token_at(const TokenProbabilities& probabilities, double uniform) {
  double sum = 0.0;
  std::size_t token = 0;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    if (probabilities[i] == 0.0) continue;
    token = i;  // also the answer where rounding leaves the sum below `uniform`
    sum += probabilities[i];
    if (uniform < sum) break;
  }
  return static_cast<std::uint8_t>(token);
}

}  // namespace sparse_transformer
