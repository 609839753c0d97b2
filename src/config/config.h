// Settings from YAML files and the command line.
//
// Layers, the later winning: each file's `base:` (a path or a list of them, relative to the file),
// the file itself, the next file, …, then `--set a.b=c` in order. Maps are merged key by key;
// everything else is replaced whole. Only then are the values read into typed fields, so that
// nothing is derived from a value that a later layer changes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"

namespace sparse_transformer {

struct ConfigNode;  // a tree of merged values, each with where it was given (config_tree.h)

/// Files and overrides merged, not yet read into a struct.
class Config {
 public:
  /// Reads and merges. `overrides` are "a.b=value" (the value in YAML's flow style), as given to
  /// --set. Throws UserError: a missing or unreadable file, YAML that does not parse, a key given
  /// twice in one map, a circle of `base:`, an override without '=', always with file:line or
  /// "--set …".
  Config(const std::vector<std::string>& files, const std::vector<std::string>& overrides);
  /// The same for a text that is no file of its own (the settings inside a checkpoint); `origin`
  /// names it in errors, and its relative paths are relative to the current folder. `base:` is an
  /// unknown setting there: a checkpoint from elsewhere has no say in which files are read.
  static Config from_text(const std::string& text, const std::string& origin,
                          const std::vector<std::string>& overrides);
  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;
  ~Config();

  /// Reads every field that `describe` declares from this config; fields it does not give keep
  /// their value. Throws UserError naming every unknown key at once, each with the nearest known
  /// one, or else the first value of a wrong type or out of range as "file:line: key: got VALUE,
  /// expected WHAT".
  template <Described Settings>
  void read(Settings& settings) const {
    read_fields([&settings](FieldVisitor& visit) { settings.describe(visit); });
  }

  /// "file:line" or "--set key=value" that gave this key ("model.heads"), or else its nearest given
  /// section; empty where nothing of it was given.
  std::string origin(std::string_view key) const;
  /// Whether this key was given itself.
  bool gives(std::string_view key) const;
  /// The files that were read, those of `base:` included.
  const std::vector<std::string>& files() const { return files_; }

 private:
  explicit Config(std::unique_ptr<ConfigNode> root);
  void read_fields(const std::function<void(FieldVisitor&)>& describe) const;

  std::unique_ptr<ConfigNode> root_;
  std::vector<std::string> files_;
};

/// The resolved settings as YAML, every field in the order of its declaration. Reading it gives the
/// same settings.
template <Described Settings>
std::string resolved_yaml(Settings settings);

/// Every setting with default, range and meaning, as a commented YAML file that can itself be read.
template <Described Settings>
std::string settings_reference();

/// The settings whose values differ, as dotted key → (value in `before`, value in `after`), each in
/// YAML's flow style, or null where an optional one is absent.
struct SettingDifference {
  std::string key, before, after;
};
template <Described Settings>
std::vector<SettingDifference> settings_differences(Settings before, Settings after);

/// The keys of all settings ("model.heads"), in the order of their declaration.
template <Described Settings>
std::vector<std::string> setting_keys();

namespace internal {
using Describe = std::function<void(FieldVisitor&)>;
std::string write_yaml(const Describe& describe, bool with_reference);
std::vector<SettingDifference> differences(const Describe& before, const Describe& after);
std::vector<std::string> keys(const Describe& describe);
}  // namespace internal

template <Described Settings>
std::string resolved_yaml(Settings settings) {
  return internal::write_yaml([&](FieldVisitor& visit) { settings.describe(visit); }, false);
}

template <Described Settings>
std::string settings_reference() {
  Settings settings;
  return internal::write_yaml([&](FieldVisitor& visit) { settings.describe(visit); }, true);
}

template <Described Settings>
std::vector<SettingDifference> settings_differences(Settings before, Settings after) {
  return internal::differences([&](FieldVisitor& visit) { before.describe(visit); },
                               [&](FieldVisitor& visit) { after.describe(visit); });
}

template <Described Settings>
std::vector<std::string> setting_keys() {
  Settings settings;
  return internal::keys([&](FieldVisitor& visit) { settings.describe(visit); });
}

}  // namespace sparse_transformer
