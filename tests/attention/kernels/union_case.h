// Layers that the union kernels serve (attention/kernels/union_plan.h), for tests with LibTorch and
// without.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "attention/head_shape.h"
#include "tests/attention/pattern_cases.h"

namespace sparse_transformer {

struct UnionCase {
  PatternCase pattern;
  std::int64_t batch, query_width, value_width;

  HeadShape shape() const {
    return {query_width, value_width, 1.0 / std::sqrt(static_cast<double>(query_width))};
  }
};

/// Single pieces and unions, also with an origin and with segments; sequences that no tile, no
/// stride and no segment divides; heads as wide as a kernel's and narrower.
inline std::vector<UnionCase> union_cases() {
  return {
      {{{"local"}, 200, 48, 4, 2}, 2, 64, 64},
      // A warp's last query is the first that does not see the first key of a tile, or its first
      // query the last that sees the last one.
      {{{"local"}, 100, 47, 4, 1}, 1, 16, 16},
      {{{"local"}, 100, 47, 4, 1}, 1, 128, 128},
      {{{"local"}, 100, 18, 4, 1}, 1, 128, 128},
      {{{"column"}, 200, 16, 4, 2}, 2, 64, 64},
      {{{"local+column"}, 200, 16, 4, 2}, 2, 64, 64},
      {{{"local+column"}, 203, 7, 7, 2}, 1, 32, 64},
      {{{"local", "column"}, 130, 65, 5, 4}, 1, 64, 128},
      {{{"local+column"}, 140, 3, 3, 1}, 1, 128, 128},
      {{{"row", "local+column"}, 90, 30, 3, 2}, 3, 16, 32},
      {{{"local+previous+column"}, 100, 24, 4, 1}, 1, 24, 40},
      {{{"seven+column"}, 77, 9, 3, 1}, 1, 128, 16},
      {{{"after"}, 70, 9, 3, 1}, 1, 16, 8},
      {{{"local+column"}, 1, 8, 4, 1}, 1, 16, 16},
      {{{"local+column"}, 40, 100, 4, 1}, 1, 8, 72},
      {{{"fixed"}, 200, 32, 8, 4}, 2, 64, 64},
      {{{"summary"}, 150, 12, 4, 3}, 1, 128, 32},
      {{{"row+summary", "local"}, 130, 20, 5, 4}, 1, 128, 64},
      {{{"row+previous+summary"}, 120, 40, 4, 2}, 1, 32, 32},
  };
}

}  // namespace sparse_transformer
