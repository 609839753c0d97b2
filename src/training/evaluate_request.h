// What `evaluate` was asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/token_data.h"

namespace sparse_transformer {

struct EvaluateRequest {
  std::filesystem::path model;  // a run or checkpoint
  std::vector<std::string> overrides;
  Split split = Split::kTest;
  std::vector<std::int64_t> min_contexts = {0};
  bool papers_contexts = false;  // those of the paper's table 3 in their place
  bool json = false;
};

/// Scores the split once for each min_context. Returns for people one line, or where a least
/// context is asked for the paper's table 3, a row each; or one JSON object with `bits`, `tokens`,
/// `examples`, `split`, `weights`, `min_context`, `step` and `checkpoint` (of the first
/// min_context; several are a list `results` of such objects beside it). Throws UserError, before
/// anything is scored; Interrupted.
std::string run_evaluation(EvaluateRequest request);

}  // namespace sparse_transformer
