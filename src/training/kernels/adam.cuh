// The optimizer's kernels as templates over a thread (runtime/cuda/thread.cuh), so that tests can
// run them on the CPU. A block of kAdamThreads threads takes a chunk. Sums are formed in an order
// that depends on sizes alone: they repeat bit for bit.
#pragma once

#include <cmath>
#include <cstdint>

#include "runtime/cuda/device_code.h"
#include "training/kernels/adam_work.h"

namespace sparse_transformer {

constexpr int kAdamThreads = 256;
/// Floats of shared memory that a block needs.
constexpr int kAdamShared = kAdamThreads / 32;

namespace adam_kernels {

/// The part of a tensor that a block takes.
struct Chunk {
  int tensor;
  std::int64_t begin, end;
};

SPARSE_TRANSFORMER_ANYWHERE Chunk chunk_of(const AdamWork& work, std::int64_t block) {
  int low = 0, high = work.count - 1;  // the first tensor whose chunks end after the block's
  while (low < high) {
    const int middle = (low + high) / 2;
    if (block < work.chunk_ends[middle]) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const std::int64_t first = low == 0 ? 0 : work.chunk_ends[low - 1];
  const std::int64_t begin = (block - first) * AdamWork::kChunk;
  const std::int64_t count = work.tensors[low].count;
  return {low, begin, begin + AdamWork::kChunk < count ? begin + AdamWork::kChunk : count};
}

/// The sum of every thread's number, known to the first thread. shared: [kAdamShared].
template <typename Thread>
SPARSE_TRANSFORMER_ANYWHERE float sum_over_block(Thread& thread, float x, float* shared) {
  for (int bits = 16; bits > 0; bits /= 2) x += thread.exchange(x, bits);
  if (thread.lane() == 0) shared[thread.index() / 32] = x;
  thread.synchronize();
  float sum = 0.0f;
  if (thread.index() == 0) {
    for (int warp = 0; warp < thread.count() / 32; ++warp) sum += shared[warp];
  }
  return sum;
}

/// sums[block] = the sum of the squares of the chunk's gradients.
template <typename Thread>
SPARSE_TRANSFORMER_ANYWHERE void sum_squares(Thread& thread, const AdamWork& work,
                                             std::int64_t block, float* sums, float* shared) {
  const Chunk chunk = chunk_of(work, block);
  const float* gradient = work.tensors[chunk.tensor].gradient;
  float sum = 0.0f;
  for (std::int64_t i = chunk.begin + thread.index(); i < chunk.end; i += thread.count()) {
    sum += gradient[i] * gradient[i];
  }
  sum = sum_over_block(thread, sum, shared);
  if (thread.index() == 0) sums[block] = sum;
}

/// The root of the sum of `count` such sums, by one block.
template <typename Thread>
SPARSE_TRANSFORMER_ANYWHERE void take_norm(Thread& thread, const float* sums, std::int32_t count,
                                           float* norm, float* shared) {
  float sum = 0.0f;
  for (std::int32_t i = thread.index(); i < count; i += thread.count()) sum += sums[i];
  sum = sum_over_block(thread, sum, shared);
  if (thread.index() == 0) *norm = sqrtf(sum);
}

/// What all of a launch's elements share. shared memory holds two.
struct Rates {
  float step;   // η·√(1-β₂ᵗ)/(1-β₁ᵗ)
  float decay;  // η
};
static_assert(sizeof(Rates) <= sizeof(float) * kAdamShared);

SPARSE_TRANSFORMER_ANYWHERE Rates rates_of(const AdamNumbers& numbers) {
  const double t = *numbers.updates, rate = *numbers.learning_rate;
  return {
      static_cast<float>(rate * sqrt(1.0 - pow(numbers.beta2, t)) / (1.0 - pow(numbers.beta1, t))),
      static_cast<float>(rate)};
}

/// The update as optimizer.h writes it, of a chunk.
template <typename Thread>
SPARSE_TRANSFORMER_ANYWHERE void update(Thread& thread, const AdamWork& work,
                                        const AdamNumbers& numbers, std::int64_t block,
                                        float* shared) {
  if (*numbers.is_skipped != 0.0f) return;
  auto* rates = reinterpret_cast<Rates*>(shared);
  if (thread.index() == 0) *rates = rates_of(numbers);
  thread.synchronize();
  const Chunk chunk = chunk_of(work, block);
  const AdamTensor& tensor = work.tensors[chunk.tensor];
  const float divisor = *numbers.divisor, step = rates->step;
  const float decay = rates->decay * tensor.weight_decay;
  const auto beta1 = static_cast<float>(numbers.beta1), beta2 = static_cast<float>(numbers.beta2);
  const auto rest1 = static_cast<float>(1.0 - numbers.beta1);
  const auto rest2 = static_cast<float>(1.0 - numbers.beta2);
  const auto epsilon = static_cast<float>(numbers.epsilon);
  for (std::int64_t i = chunk.begin + thread.index(); i < chunk.end; i += thread.count()) {
    const float g = tensor.gradient[i] / divisor;
    const float m = beta1 * tensor.first_moment[i] + rest1 * g;
    const float v = beta2 * tensor.second_moment[i] + rest2 * g * g;
    float w = tensor.weight[i];
    w = w - decay * w - step * m / (sqrtf(v) + epsilon);
    tensor.first_moment[i] = m;
    tensor.second_moment[i] = v;
    tensor.weight[i] = w;
    if (tensor.average != nullptr) {
      const float average = tensor.average[i];
      tensor.average[i] = average + *numbers.average_share * (w - average);
    }
  }
}

}  // namespace adam_kernels
}  // namespace sparse_transformer
