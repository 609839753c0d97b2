// The cross-entropy of bytes on the CPU, row by row, with its gradient: each one pass over memory.
//
// The code is compiled once for each instruction set that a processor may have; this header must
// therefore stay free of functions.
#pragma once

#include <cstdint>

#include "model/kernels/rows.h"

namespace sparse_transformer {

/// Rows of logits, and what they should have said.
template <typename T>
struct LossRows {
  const T* logits;             // [rows, 256]
  const std::uint8_t* tokens;  // [rows]
  T* lse;                      // [rows], the log-sum-exp of the logits
};

template <typename T>
struct LossKernels {
  /// nats: [rows], of each token. Writes `lse`, too.
  void (*nats)(const LossRows<T>&, RowRange, T* nats);
  /// d_logits: [rows, 256], the gradient of the sum of nats times d_sum. Reads `lse`.
  void (*gradient)(const LossRows<T>&, RowRange, T d_sum, T* d_logits);
};

struct LossInstructionSet {
  const char* name;
  LossKernels<float> float32;
  LossKernels<double> float64;
};

extern const LossInstructionSet baseline_loss;
extern const LossInstructionSet avx2_loss;
extern const LossInstructionSet avx512_loss;

}  // namespace sparse_transformer
