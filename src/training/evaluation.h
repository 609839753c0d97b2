// Bits per byte of a split (bits per dimension for pictures).
#pragma once

#include <cstdint>
#include <functional>

#include "data/token_data.h"
#include "model/transformer.h"

namespace sparse_transformer {

struct EvaluationSettings {
  std::int64_t min_context =
      0;                   // streams: tokens before each scored one, but for the first window's
  std::int64_t limit = 0;  // windows to score; 0 = all
  std::int64_t batch = 1;  // windows at a time
};

struct EvaluationResult {
  double bits = 0.0;          // mean over the scored tokens
  std::int64_t tokens = 0;    // scored, each once
  std::int64_t examples = 0;  // windows or items
};

/// Throws UserError for what `evaluate` cannot score: an empty split, a min_context that is not
/// below `length`, the model's n, or is given for items.
void check_evaluation(const DataSet& data, Split split, std::int64_t length,
                      std::int64_t min_context);

/// Scores a split. `progress` is told windows done, of all. Throws what check_evaluation does;
/// Interrupted between batches.
EvaluationResult evaluate(
    const Transformer& model, const DataSet& data, Split split, const EvaluationSettings& settings,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace sparse_transformer
