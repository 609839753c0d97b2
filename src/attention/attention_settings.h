// The `model.attention:` section of a config.
#pragma once

#include <cstdint>
#include <optional>

#include "attention/definitions.h"
#include "config/fields.h"

namespace sparse_transformer {

/// Layers are entries of the pattern language: "local", a union "row+summary" (the paper's merged
/// head, §5.1), or a list with one pattern a head group, ["local", "column"] (the paper's
/// multi-head). The entries of `layers` are repeated over the depth; `last` replaces the final
/// layers. `define` gives names to patterns with settings of their own.
struct AttentionSettings {
  std::optional<std::int64_t> stride;  // l
  WordLists layers;                    // empty: the default of the kind of data (settings.cpp)
  WordLists last;
  std::optional<std::int64_t> summary;         // c
  std::optional<std::int64_t> summary_blocks;  // sub-blocks that heads rotate over; l / c
  Named<Definition> define;

  /// Returns c: `summary`, or the largest divisor of the stride that is at most a quarter of it. In
  /// the paper c is 32 of 128 columns for enwik8 (§7.2). Requires the stride.
  std::int64_t summary_columns() const;

  /// Positions of a sequence that is padded to whole rows of the stride, which must be set.
  std::int64_t padded_length(std::int64_t length) const {
    return (length + *stride - 1) / *stride * *stride;
  }
  void describe(FieldVisitor& visit);
};

}  // namespace sparse_transformer
