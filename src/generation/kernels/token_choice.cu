// The choice of a token on the GPU, a block of 256 threads for each sequence: as
// generation/token_choice.cpp chooses, in float64 too and with every sum in the same order, so that
// equal logits give equal tokens.
#include <cuda_runtime.h>

#include "generation/kernels/token_choice.h"
#include "generation/token_uniform.h"
#include "runtime/cuda/warp.cuh"

namespace sparse_transformer {
namespace {

constexpr int kTokens = 256, kWarps = kTokens / 32;

struct SharedMemory {
  double weights[kTokens];
  double sorted[kTokens];  // the largest first
  double total;
  float largest[kWarps];
  float is_bad[kWarps];  // 1: a logit of the warp is not finite
  std::int32_t kept;
};

/// Returns the largest x of the block. `of_warps`: shared memory, a number for each warp.
__device__ float block_max(float x, float* of_warps) {
  for (int bits = 16; bits > 0; bits /= 2) {
    const float other = __shfl_xor_sync(kWholeWarp, x, bits);
    x = other > x ? other : x;
  }
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = x;
  __syncthreads();
  for (int warp = 0; warp < kWarps; ++warp) x = of_warps[warp] > x ? of_warps[warp] : x;
  return x;
}

/// Returns how many of the most likely tokens stay: at most `top_k`, and no more than are needed
/// for a share of `top_p` of them.
__device__ std::int32_t count_kept(const double* sorted, std::int32_t top_k, double top_p) {
  double total = 0.0;
  for (int i = 0; i < top_k; ++i) total += sorted[i];
  double sum = 0.0;
  std::int32_t kept = 0;
  while (kept < top_k && (top_p >= 1.0 || sum < top_p * total)) sum += sorted[kept++];
  return kept;
}

/// Sets all weights but those of the most likely tokens to 0. Of equally likely tokens the lower
/// one counts as the likelier.
__device__ void keep_most_likely(std::int32_t top_k, double top_p, SharedMemory& shared) {
  const auto token = static_cast<int>(threadIdx.x);
  const double weight = shared.weights[token];
  std::int32_t rank = 0;
  for (int other = 0; other < kTokens; ++other) {
    const double its = shared.weights[other];
    rank += its > weight || (its == weight && other < token) ? 1 : 0;
  }
  shared.sorted[rank] = weight;
  __syncthreads();
  if (token == 0) shared.kept = count_kept(shared.sorted, top_k, top_p);
  __syncthreads();
  if (rank >= shared.kept) shared.weights[token] = 0.0;
  __syncthreads();
}

/// Returns the token at quantile `uniform` of the weights, which add up to 1.
__device__ std::uint8_t token_at(const double* weights, double uniform) {
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

__global__ void __launch_bounds__(kTokens) token_choice_kernel(const TokenChoiceParams params) {
  __shared__ SharedMemory shared;
  const auto token = static_cast<int>(threadIdx.x);
  const std::int64_t sequence = blockIdx.x, position = *params.position;
  const float logit = params.logits[sequence * kTokens + token];
  const bool is_finite = logit - logit == 0.0f;
  const float largest = block_max(logit, shared.largest);
  if (block_max(is_finite ? 0.0f : 1.0f, shared.is_bad) > 0.0f) {
    std::int64_t& first = params.not_finite[sequence];
    if (token == 0 && position < first) first = position;
    return;
  }
  const bool is_hot = params.temperature > 0.0;
  const double distance = static_cast<double>(logit) - static_cast<double>(largest);
  shared.weights[token] =
      is_hot ? exp(distance / params.temperature) : (logit == largest ? 1.0 : 0.0);
  __syncthreads();
  // Temperature 0 is the most likely token, of several the first.
  const std::int32_t top_k = is_hot ? params.top_k : 1;
  if (top_k > 0 || params.top_p < 1.0) {
    keep_most_likely(top_k > 0 ? top_k : kTokens, params.top_p, shared);
  }
  if (token == 0) {
    double total = 0.0;
    for (const double weight : shared.weights) total += weight;
    shared.total = total;
  }
  __syncthreads();
  shared.weights[token] /= shared.total;
  __syncthreads();
  if (token > 0) return;
  const double uniform = token_uniform(params.seed, params.first_sample + sequence, position);
  params.tokens[sequence * params.length + position] = token_at(shared.weights, uniform);
}

}  // namespace

int launch_token_choice(const TokenChoiceParams& params, void* stream) {
  token_choice_kernel<<<static_cast<unsigned>(params.batch), kTokens, 0,
                        static_cast<cudaStream_t>(stream)>>>(params);
  return cudaGetLastError();
}

}  // namespace sparse_transformer
