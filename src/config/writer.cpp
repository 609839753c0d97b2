// Writing settings: the resolved file, the reference, differences. All are views of one list of the
// fields.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/values.h"

namespace sparse_transformer {
namespace {

using std::string_view;

struct Setting {
  std::string key;  // dotted
  std::string name;
  std::size_t depth;  // the number of sections around it
  bool is_section;
  std::optional<std::string> value;  // in flow style; none: a section, or not set
  std::string meaning;
  std::string allowed;  // in words
};

class Lister final : public FieldVisitor {
 public:
  std::vector<Setting> take() { return std::move(settings_); }

  void field(string_view name, bool& value, string_view meaning) override {
    add(name, flow_text(value), meaning, in_words(value));
  }
  void field(string_view name, std::int64_t& value, string_view meaning,
             Range<std::int64_t> range) override {
    add(name, flow_text(value), meaning, in_words(value, range));
  }
  void field(string_view name, double& value, string_view meaning, Range<double> range) override {
    add(name, flow_text(value), meaning, in_words(value, range));
  }
  void field(string_view name, std::string& value, string_view meaning) override {
    add(name, flow_text(value), meaning, in_words(value));
  }
  void field(string_view name, std::optional<std::int64_t>& value, string_view meaning,
             Range<std::int64_t> range) override {
    add(name, value ? std::optional(flow_text(*value)) : std::nullopt, meaning,
        in_words(value, range));
  }
  void field(string_view name, std::vector<std::int64_t>& value, string_view meaning,
             Range<std::int64_t> range) override {
    add(name, flow_text(value), meaning, in_words(value, range));
  }
  void field(string_view name, std::vector<std::string>& value, string_view meaning) override {
    add(name, flow_text(value), meaning, in_words(value));
  }
  void field(string_view name, WordLists& value, string_view meaning) override {
    add(name, flow_text(value), meaning, in_words(value));
  }
  void field(string_view name, NumberOrPaths& value, string_view meaning,
             Range<double> range) override {
    add(name, flow_text(value), meaning, in_words(value, range));
  }
  void paths(string_view name, std::vector<std::string>& value, string_view meaning) override {
    add(name, flow_text(value), meaning, paths_in_words());
  }

 protected:
  void choose(string_view name, std::size_t& index, std::span<const string_view> words,
              string_view meaning) override {
    add(name, flow_text(std::string(words[index])), meaning, choice_in_words(words));
  }
  void enter(string_view name, string_view meaning) override {
    add(name, std::nullopt, meaning, "");
    settings_.back().is_section = true;
    prefix_ += std::string(name) + ".";
  }
  void leave() override {
    prefix_.pop_back();
    prefix_.resize(prefix_.rfind('.') + 1);  // npos + 1 = 0
  }

 private:
  void add(string_view name, std::optional<std::string> value, string_view meaning,
           std::string allowed) {
    const auto depth = static_cast<std::size_t>(std::count(prefix_.begin(), prefix_.end(), '.'));
    settings_.push_back({prefix_ + std::string(name), std::string(name), depth, false,
                         std::move(value), std::string(meaning), std::move(allowed)});
  }

  std::string prefix_;  // of the keys in the current section: "model.attention."
  std::vector<Setting> settings_;
};

std::vector<Setting> list_settings(const internal::Describe& describe) {
  Lister lister;
  describe(lister);
  return lister.take();
}

std::string explanation(const Setting& setting) {
  if (setting.is_section) return setting.meaning;
  return setting.meaning + " (" + setting.allowed + (setting.value ? ")" : "; not set by default)");
}

}  // namespace

std::string internal::write_yaml(const Describe& describe, bool with_reference) {
  std::string yaml;
  for (const Setting& setting : list_settings(describe)) {
    const std::string indent(2 * setting.depth, ' ');
    const bool is_set = setting.is_section || setting.value;
    if (with_reference) {
      if (setting.depth == 0 && !yaml.empty()) yaml += "\n";
      yaml += indent + "# " + explanation(setting) + "\n";
    }
    if (is_set || with_reference) {
      yaml += indent + (is_set ? "" : "# ") + setting.name + ":";
      yaml += (setting.value ? " " + *setting.value : "") + "\n";
    }
  }
  return yaml;
}

std::vector<SettingDifference> internal::differences(const Describe& before,
                                                     const Describe& after) {
  const std::vector<Setting> old_settings = list_settings(before),
                             new_settings = list_settings(after);
  if (old_settings.size() != new_settings.size()) {
    throw std::logic_error("a struct of settings declares different fields for different values");
  }
  std::vector<SettingDifference> found;
  for (std::size_t i = 0; i < old_settings.size(); ++i) {
    if (old_settings[i].value == new_settings[i].value) continue;
    found.push_back({old_settings[i].key, old_settings[i].value.value_or("null"),
                     new_settings[i].value.value_or("null")});
  }
  return found;
}

std::vector<std::string> internal::keys(const Describe& describe) {
  std::vector<std::string> keys;
  for (const Setting& setting : list_settings(describe)) {
    if (!setting.is_section) keys.push_back(setting.key);
  }
  return keys;
}

}  // namespace sparse_transformer
