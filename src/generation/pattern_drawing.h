// A pattern as the paper's figure 3 draws it: the keys of one position over the image grid (or over
// the rows of l of a stream), and below, the connectivity matrix. The keys of each name, such as
// the row and the summary of `fixed`, have a shade of their own.
#pragma once

#include <cstdint>
#include <optional>

#include "attention/pattern_counts.h"
#include "files/png.h"
#include "model/model_settings.h"

namespace sparse_transformer {

struct DrawingChoice {
  std::optional<std::int64_t> layer = std::nullopt;     // nothing: the head groups of all layers
  std::optional<std::int64_t> position = std::nullopt;  // nothing: one below the middle
};

/// Heads of a name that see different keys have tints of its shade. Where names overlap, the one
/// with the fewest pairs is on top. The legend names them all; the picture is as wide as its
/// longest line. Of a long sequence the matrix shows the first rows of l: every position has the
/// same keys in any sequence. What is still too large is shrunk, and a dot's shade says how much of
/// it is attended to. Throws UserError ("--layer", "--position") for one that the model does not
/// have.
Image draw_pattern(const PatternCounts& counts, const SequenceLayout& layout,
                   const DrawingChoice& choice);

}  // namespace sparse_transformer
