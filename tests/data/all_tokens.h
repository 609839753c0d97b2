#pragma once

#include <cstdint>
#include <vector>

#include "data/token_data.h"

namespace sparse_transformer {

/// All tokens of a split.
inline std::vector<std::uint8_t> all_tokens(const Tokens& tokens) {
  std::vector<std::uint8_t> all(static_cast<std::size_t>(tokens.size()));
  tokens.read(0, all);
  return all;
}

}  // namespace sparse_transformer
