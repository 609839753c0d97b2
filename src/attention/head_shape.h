// How the queries, keys and values of all heads lie in one packed tensor.
#pragma once

#include <cstdint>

namespace sparse_transformer {

/// Packed: [batch, n, heads, 2·query_width + value_width], head by head its query, key and value.
/// A query or key may be padded with zeros; `scale` is 1/√(its true width) (paper eq. 3).
struct HeadShape {
  std::int64_t query_width;  // and the key's
  std::int64_t value_width;
  double scale;

  std::int64_t packed_width() const { return 2 * query_width + value_width; }
};

}  // namespace sparse_transformer
