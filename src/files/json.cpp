#include "files/json.h"

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "config/scalars.h"

namespace sparse_transformer {

namespace {

/// The keys of each object that is open; the library alone would keep the last of two equal ones
/// and nest without end.
class Watch {
 public:
  explicit Watch(std::size_t most_depth) : most_depth_(most_depth) {}

  bool operator()(int depth, nlohmann::json::parse_event_t event, const nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (std::cmp_greater(depth, most_depth_)) throw JsonFault("is nested too deeply");
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(value.get<std::string>()).second) {
      throw JsonFault("names '" + one_line(value.get<std::string>()) + "' twice");
    }
    return true;
  }

 private:
  std::size_t most_depth_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

nlohmann::json parse_json(std::string_view text, std::size_t most_depth) {
  // The library would take a NUL for the end of the text and leave the rest unread.
  if (text.find('\0') != std::string_view::npos) throw JsonFault("contains a NUL byte");
  Watch watch(most_depth);
  try {
    return nlohmann::json::parse(text, std::ref(watch));
  } catch (const nlohmann::json::parse_error& error) {
    throw JsonFault("is not valid JSON (at byte " + std::to_string(error.byte) + ")");
  } catch (const nlohmann::json::exception&) {
    throw JsonFault("is not valid JSON");  // a number beyond all bounds
  }
}

}  // namespace sparse_transformer
