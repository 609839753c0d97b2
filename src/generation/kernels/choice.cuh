// The choice of a token on the GPU, a block of 256 threads for a sequence: token_choice.cpp's, in
// float64 too and with every sum in the same order, so that equal logits give equal tokens.
// `Thread` is CudaThread, or the tests' emulated one.
#pragma once

#include <cstdint>

#include "generation/kernels/choice_call.h"
#include "generation/token_uniform.h"
#include "runtime/cuda/device_code.h"

namespace sparse_transformer::choice_kernels {

constexpr int kTokens = 256;

/// Of a block.
struct ChoiceMemory {
  double weights[kTokens];
  double sorted[kTokens];  // the largest first
  double total;
  float largest[kTokens / 32];
  float has_bad[kTokens / 32];  // 1: a logit of the warp is not finite
  std::int32_t kept;
};

/// The largest number of the block, known to every thread. warps: one number for each.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float largest_of(Thread& thread, float x, float* warps) {
  for (int bits = 16; bits > 0; bits /= 2) {
    const float other = thread.exchange(x, bits);
    x = other > x ? other : x;
  }
  if (thread.lane() == 0) warps[thread.index() / 32] = x;
  thread.synchronize();
  for (int warp = 0; warp < kTokens / 32; ++warp) x = warps[warp] > x ? warps[warp] : x;
  return x;
}

/// How many of the most likely tokens stay: at most `top_k`, and no more than are needed for a
/// share of `top_p` of them.
SPARSE_TRANSFORMER_DEVICE std::int32_t count_kept(const ChoiceMemory& memory, std::int32_t top_k,
                                                  double top_p) {
  double total = 0.0;
  for (int i = 0; i < top_k; ++i) total += memory.sorted[i];
  double sum = 0.0;
  std::int32_t kept = 0;
  while (kept < top_k && (top_p >= 1.0 || sum < top_p * total)) {
    sum += memory.sorted[kept++];
  }
  return kept;
}

/// Sets all but the most likely tokens to 0; of equally likely ones the lower is the likelier.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void keep_most_likely(Thread& thread, std::int32_t top_k, double top_p,
                                                ChoiceMemory& memory) {
  const int token = thread.index();
  const double weight = memory.weights[token];
  std::int32_t rank = 0;
  for (int other = 0; other < kTokens; ++other) {
    const double its = memory.weights[other];
    rank += its > weight || (its == weight && other < token) ? 1 : 0;
  }
  memory.sorted[rank] = weight;
  thread.synchronize();
  if (token == 0) memory.kept = count_kept(memory, top_k, top_p);
  thread.synchronize();
  if (rank >= memory.kept) memory.weights[token] = 0.0;
  thread.synchronize();
}

/// The token at quantile `uniform` of the weights, which add up to 1.
SPARSE_TRANSFORMER_DEVICE std::uint8_t token_at(const double* weights, double uniform) {
  double sum = 0.0;
  int token = 0;
  for (int i = 0; i < kTokens; ++i) {
    if (weights[i] == 0.0) continue;
    token = i;  // also the answer where rounding leaves the sum below `uniform`
    sum += weights[i];
    if (uniform < sum) break;
  }
  return static_cast<std::uint8_t>(token);
}

template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void choose(Thread& thread, std::int64_t sequence, const ChoiceCall& call,
                                      ChoiceMemory& memory) {
  const int token = thread.index();
  const std::int64_t position = *call.position;
  const float logit = call.logits[sequence * kTokens + token];
  const bool is_finite = logit - logit == 0.0f;
  const float largest = largest_of(thread, logit, memory.largest);
  if (largest_of(thread, is_finite ? 0.0f : 1.0f, memory.has_bad) > 0.0f) {
    std::int64_t& first = call.not_finite[sequence];
    if (token == 0 && position < first) first = position;
    return;
  }
  const bool is_hot = call.temperature > 0.0;
  memory.weights[token] =
      is_hot ? thread.exp((static_cast<double>(logit) - static_cast<double>(largest)) /
                          call.temperature)
             : (logit == largest ? 1.0 : 0.0);
  thread.synchronize();
  // Temperature 0 is the most likely token, of several the first.
  const std::int32_t top_k = is_hot ? call.top_k : 1;
  if (top_k > 0 || call.top_p < 1.0) {
    keep_most_likely(thread, top_k > 0 ? top_k : kTokens, call.top_p, memory);
  }
  if (token == 0) {
    double total = 0.0;
    for (const double weight : memory.weights) total += weight;
    memory.total = total;
  }
  thread.synchronize();
  memory.weights[token] /= memory.total;
  thread.synchronize();
  if (token > 0) return;
  const double uniform = token_uniform(call.seed, call.first_sample + sequence, position);
  call.tokens[sequence * call.length + position] = token_at(memory.weights, uniform);
}

}  // namespace sparse_transformer::choice_kernels
