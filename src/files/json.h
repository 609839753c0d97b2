// How the program writes JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace sparse_transformer {

/// Returns JSON in ASCII, so that no terminal interprets it: other characters are escaped, and
/// bytes that are not UTF-8 (of a file's name) become U+FFFD. `indent`: spaces a level; negative:
/// one line.
template <typename Json>
std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace sparse_transformer
