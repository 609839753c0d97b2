#pragma once

#include <string>

namespace sparse_transformer {

/// What --version prints: the program's version, and what its results depend on.
std::string version_text();

}  // namespace sparse_transformer
