// The optimizer's CUDA kernels (adam.cu), for the host. Pointers are to the device's memory,
// `stream` is a cudaStream_t, and functions return CUDA's error codes, 0 for none.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/half.h"

namespace sparse_transformer {

/// A parameter and what belongs to it, `count` numbers each, float32 unless said otherwise.
struct AdamTensor {
  float* weight;
  const float* gradient;
  float* first_moment;
  float* second_moment;
  float* average;  // or null: none
  void* rounded;   // a copy of the weight in half precision, which an update writes; or null: none
  HalfType rounded_type;
  float weight_decay;
  std::int64_t count;
};

/// What an update reads from the device's memory (optimizer.h), and its constants.
struct AdamParams {
  const double* learning_rate;
  const float* updates;  // t, this one included
  const float* average_share;
  const float* divisor;
  const float* is_skipped;
  double beta1, beta2;
  double epsilon;
};

/// Numbers that launch_gradient_norm needs in `sums`.
std::int64_t gradient_norm_sums(const std::vector<AdamTensor>& tensors);

/// Writes the norm of all gradients together to `norm`. The order of its sums depends on sizes
/// alone: it repeats bit for bit.
int launch_gradient_norm(const std::vector<AdamTensor>& tensors, float* sums, float* norm,
                         void* stream);

/// One update of every tensor, as optimizer.h writes it. Changes nothing where *is_skipped is not
/// 0.
int launch_adam(const std::vector<AdamTensor>& tensors, const AdamParams& params, void* stream);

}  // namespace sparse_transformer
