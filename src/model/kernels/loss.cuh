// The cross-entropy of bytes on CUDA, a warp for a row of 256 logits, which stay in its registers:
// lane i has the logits i, i + 32, …. Templates of `Thread`: CudaThread, or the tests' emulated
// one.
#pragma once

#include <cstdint>

#include "model/kernels/loss_rows.h"
#include "runtime/cuda/device_code.h"

namespace sparse_transformer::loss_kernels {

constexpr int kLanes = 32;
constexpr int kEach = 256 / kLanes;
constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

/// The row of this thread's warp.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE std::int64_t row_of(Thread& thread, std::int64_t block) {
  return (block * thread.count() + thread.index()) / kLanes;
}

template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void read_row(Thread& thread, const float* row, float (&x)[kEach]) {
  SPARSE_TRANSFORMER_UNROLL
  for (int i = 0; i < kEach; ++i) x[i] = row[thread.lane() + kLanes * i];
}

/// Not a number among the logits makes the sum so, and with it all that comes of it.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void forward(Thread& thread, std::int64_t block,
                                       const LossRows<float>& loss, std::int64_t rows,
                                       float* nats) {
  const std::int64_t row = row_of(thread, block);
  if (row >= rows) return;
  const float* logits = loss.logits + row * 256;
  float x[kEach];
  read_row(thread, logits, x);
  float largest = x[0];
  SPARSE_TRANSFORMER_UNROLL
  for (int i = 1; i < kEach; ++i) largest = x[i] > largest ? x[i] : largest;
  SPARSE_TRANSFORMER_UNROLL
  for (int bits = kLanes / 2; bits > 0; bits /= 2) {
    const float other = thread.exchange(largest, bits);
    largest = other > largest ? other : largest;
  }
  float sum = 0.0f;
  SPARSE_TRANSFORMER_UNROLL
  for (int i = 0; i < kEach; ++i) sum += thread.exp2((x[i] - largest) * kLog2E);
  SPARSE_TRANSFORMER_UNROLL
  for (int bits = kLanes / 2; bits > 0; bits /= 2) sum += thread.exchange(sum, bits);
  if (thread.lane() != 0) return;
  const float log_sum = thread.log2(sum) * kLn2;
  loss.lse[row] = largest + log_sum;
  nats[row] = log_sum + (largest - logits[loss.tokens[row]]);
}

/// The probabilities, less 1 for the token, times d_sum[0].
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void backward(Thread& thread, std::int64_t block,
                                        const LossRows<float>& loss, std::int64_t rows,
                                        const float* d_sum, float* d_logits) {
  const std::int64_t row = row_of(thread, block);
  if (row >= rows) return;
  float x[kEach];
  read_row(thread, loss.logits + row * 256, x);
  const float lse = loss.lse[row];
  const float factor = d_sum[0];
  const int token = loss.tokens[row];
  SPARSE_TRANSFORMER_UNROLL
  for (int i = 0; i < kEach; ++i) {
    const int column = thread.lane() + kLanes * i;
    const float probability = thread.exp2((x[i] - lse) * kLog2E);
    d_logits[row * 256 + column] = factor * (probability - (column == token ? 1.0f : 0.0f));
  }
}

}  // namespace sparse_transformer::loss_kernels
