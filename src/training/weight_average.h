// Averaged weights (Polyak; paper's released code: decay 0.999), which are what evaluation and
// sampling use.
#pragma once

#include <cstdint>

#include "model/transformer.h"

namespace sparse_transformer {

/// A second model whose weights follow the first's: average ← d·average + (1-d)·weights after each
/// step, with d = min(decay, (1 + t) / (10 + t)) after step t (counted from 1), so that the start
/// is soon forgotten.
class WeightAverage {
 public:
  /// Starts as a copy of `model`.
  WeightAverage(const Transformer& model, double decay);

  /// Does nothing where `is_skipped` is 1 instead of 0: a float32 scalar on the model's device.
  void follow(const Transformer& model, std::int64_t step, const at::Tensor& is_skipped);

  const Transformer& model() const { return average_; }

 private:
  Transformer average_;
  double decay_;
};

}  // namespace sparse_transformer
