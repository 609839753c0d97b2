// Values as they read in messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace sparse_transformer {

/// "[32, 32, 3]", as in a config.
std::string shape_text(std::span<const std::int64_t> shape);

/// "data/enwik8", or "data/a and 11 more".
std::string paths_text(std::span<const std::string> paths);

}  // namespace sparse_transformer
