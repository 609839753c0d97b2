// Writing settings: the resolved file, the reference, differences. All are views of one list of the
// fields.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/scalars.h"
#include "config/values.h"

namespace sparse_transformer {
namespace {

using std::string_view;

struct Setting {
  std::string key;  // dotted
  std::string name;
  std::size_t depth;  // the number of sections around it
  bool is_section;
  bool is_example;                   // not there, only to show what could be
  std::optional<std::string> value;  // in flow style; none: a section, or not set
  std::string meaning;
  std::string allowed;  // in words
};

class Lister final : public FieldVisitor {
 public:
  explicit Lister(bool with_examples) : with_examples_(with_examples) {}

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
  void field(string_view name, std::optional<double>& value, string_view meaning,
             Range<double> range) override {
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
  void field(string_view name, Texts& value, string_view meaning) override {
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
    if (prefix_.size() < example_.size()) example_.clear();
  }
  std::vector<std::string> enter_named(string_view name, std::size_t count,
                                       string_view meaning) override {
    enter(name, meaning);
    if (count == 0) settings_.back().value = "{}";
    if (with_examples_) example_ = prefix_;
    return {};
  }
  std::size_t choose_kind(std::span<const string_view> /*kinds*/, std::size_t held) override {
    return held;
  }
  bool shows_examples() const override { return with_examples_; }

 private:
  void add(string_view name, std::optional<std::string> value, string_view meaning,
           std::string allowed) {
    const auto depth = static_cast<std::size_t>(std::count(prefix_.begin(), prefix_.end(), '.'));
    settings_.push_back({prefix_ + std::string(name), std::string(name), depth, false,
                         !example_.empty(), std::move(value), std::string(meaning),
                         std::move(allowed)});
  }

  bool with_examples_;
  std::string example_;  // the prefix of the examples that are being listed
  std::string prefix_;   // of the keys in the current section: "model.attention."
  std::vector<Setting> settings_;
};

std::vector<Setting> list_settings(const internal::Describe& describe, bool with_examples = false) {
  Lister lister(with_examples);
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
  for (const Setting& setting : list_settings(describe, with_reference)) {
    const std::string indent =
        (setting.is_example ? "# " : "") + std::string(2 * setting.depth, ' ');
    const bool is_set = setting.is_section || setting.value;
    if (with_reference) {
      if (setting.depth == 0 && !yaml.empty()) yaml += "\n";
      yaml += indent + "# " + explanation(setting) + "\n";
    }
    if (is_set || with_reference) {
      yaml += indent + (is_set ? "" : "# ") + yaml_word(setting.name) + ":";
      yaml += (setting.value ? " " + *setting.value : "") + "\n";
    }
  }
  return yaml;
}

std::vector<SettingDifference> internal::differences(const Describe& before,
                                                     const Describe& after) {
  const std::vector<Setting> old_settings = list_settings(before);
  const std::vector<Setting> new_settings = list_settings(after);
  const auto value_in = [](const std::vector<Setting>& settings, const std::string& key) {
    const auto found = std::find_if(settings.begin(), settings.end(),
                                    [&](const Setting& setting) { return setting.key == key; });
    return found == settings.end() || !found->value ? "null" : *found->value;
  };
  std::vector<SettingDifference> found;
  for (const Setting& setting : new_settings) {
    if (setting.is_section) continue;
    SettingDifference each{setting.key, value_in(old_settings, setting.key),
                           setting.value.value_or("null")};
    if (each.before != each.after) found.push_back(std::move(each));
  }
  // What the user named there and not here.
  for (const Setting& setting : old_settings) {
    if (!setting.is_section && setting.value && value_in(new_settings, setting.key) == "null" &&
        std::none_of(found.begin(), found.end(),
                     [&](const SettingDifference& each) { return each.key == setting.key; })) {
      found.push_back({setting.key, *setting.value, "null"});
    }
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
