// What the CUDA kernels of the optimizer are told, for host and device alike. Addresses travel with
// a launch: there is no table of them in the device's memory to keep up to date, and a graph that
// records the launch has them.
#pragma once

#include <cstdint>
#include <vector>

namespace sparse_transformer {

/// A parameter and what belongs to it: float32, `count` numbers each.
struct AdamTensor {
  float* weight;
  const float* gradient;
  float* first_moment;
  float* second_moment;
  float* average;  // or null: none
  std::int64_t count;
  float weight_decay;
};

/// What an update reads, each in the device's memory (optimizer.h), and its constants.
struct AdamNumbers {
  const double* learning_rate;
  const float* updates;  // t, this one included
  const float* average_share;
  const float* divisor;
  const float* is_skipped;
  double beta1, beta2;
  double epsilon;
};

/// The tensors of a launch, cut into chunks, one a block.
struct AdamWork {
  static constexpr int kMostTensors = 60;  // what a launch carries is 4 KiB at most
  static constexpr std::int64_t kChunk = 16384;

  AdamTensor tensors[kMostTensors];
  std::int32_t chunk_ends[kMostTensors];  // chunks of the tensors up to and including this one
  std::int32_t count;

  std::int32_t chunks() const { return count == 0 ? 0 : chunk_ends[count - 1]; }
};

static_assert(sizeof(AdamWork) + sizeof(AdamNumbers) <= 4096);

/// All tensors, in as few launches as there can be.
std::vector<AdamWork> adam_works(const std::vector<AdamTensor>& tensors);

}  // namespace sparse_transformer
