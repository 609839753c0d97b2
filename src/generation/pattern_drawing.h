// A pattern as the paper's figure 3 draws it: for each head group, the keys of one position over
// the image grid (or over the rows of l of a stream), and below, the connectivity matrix.
#pragma once

#include <cstdint>
#include <optional>

#include "attention/pattern_counts.h"
#include "files/png.h"
#include "model/model_settings.h"

namespace sparse_transformer {

struct DrawingChoice {
  std::optional<std::int64_t> layer =
      std::nullopt;  // nothing: every head group of any layer, side by side
  std::optional<std::int64_t> position = std::nullopt;  // nothing: one below the middle
};

/// Of a long sequence the matrix shows the first rows of l: every position has the same keys in any
/// sequence. What is still too large is shrunk, and a dot's shade says how much of it is attended
/// to. Throws UserError ("--layer", "--position") for one that the model does not have.
Image draw_pattern(const PatternCounts& counts, const SequenceLayout& layout,
                   const DrawingChoice& choice);

}  // namespace sparse_transformer
