// Averaged weights (Polyak; paper's released code: decay 0.999), which are what evaluation and
// sampling use.
#pragma once

#include <cstdint>

#include "model/transformer.h"

namespace sparse_transformer {

/// A second model whose weights follow the first's: average ← d·average + (1-d)·weights after each
/// step, with d = min(decay, (1 + t) / (10 + t)) after step t (counted from 1), so that the start
/// is soon forgotten. The optimizer does it, in its pass over the weights.
class WeightAverage {
 public:
  /// Starts as a copy of `model`.
  WeightAverage(const Transformer& model, double decay);

  /// As a copy of `model` again, in the same memory.
  void start_over(const Transformer& model);

  /// 1 - d after step t.
  double share(std::int64_t t) const;

  void compute_by(const KernelChoice& choice) { average_.compute_by(choice); }
  const Transformer& model() const { return average_; }

 private:
  Transformer average_;
  double decay_;
};

}  // namespace sparse_transformer
