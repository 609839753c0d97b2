// How the program reads and writes JSON.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// What is wrong with a JSON text, for a sentence that begins with the text's name: "names 'a'
/// twice".
class JsonFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Parses a whole text. Throws JsonFault where it is no JSON, gives a key twice, or has values
/// within more than `most_depth` lists and objects.
nlohmann::json parse_json(std::string_view text, std::size_t most_depth);

/// Returns JSON in ASCII, so that no terminal interprets it: other characters are escaped, and
/// bytes that are not UTF-8 (of a file's name) become U+FFFD. `indent`: spaces a level; negative:
/// one line.
template <typename Json>
std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace sparse_transformer
