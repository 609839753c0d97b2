// How a struct of settings declares its fields: once, with name, meaning and range, the default
// being the member's initialiser. Reading a file, checking it, `config --reference` and the
// resolved file are visitors over that one declaration:
//
//     struct TrainingSettings {
//       std::int64_t steps = 1000;
//       double clip = 1.0;
//       void describe(FieldVisitor& visit);
//     };
//
//     void TrainingSettings::describe(FieldVisitor& visit) {
//       visit.field("steps", steps, "optimizer steps", at_least(1));
//       visit.field("clip", clip, "largest norm of the gradient; 0 = no limit", at_least(0.0));
//     }
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace sparse_transformer {

/// Allowed values of a number: low <= value <= high, or low < value where `above` is set.
template <typename Number>
struct Range {
  Number low = std::numeric_limits<Number>::lowest();
  Number high = std::numeric_limits<Number>::max();
  bool above = false;
};

template <typename Number>
using RangeOf = Range<std::conditional_t<std::is_integral_v<Number>, std::int64_t, double>>;

template <typename Number>
RangeOf<Number> at_least(Number low) {
  return {.low = low};
}
template <typename Number>
RangeOf<Number> more_than(Number low) {
  return {.low = low, .above = true};
}
template <typename Number>
RangeOf<Number> between(Number low, Number high) {
  return {.low = low, .high = high};
}

/// A list whose entries are lists of words; in a file an entry may be a single word: [column,
/// [local, column]].
using WordLists = std::vector<std::vector<std::string>>;

/// Texts under names that are not fixed.
using Texts = std::map<std::string, std::string>;

/// A number, or a list of paths (the sizes of a split).
using NumberOrPaths = std::variant<double, std::vector<std::string>>;

class FieldVisitor;

/// Settings nested under a key. A struct with `void describe(FieldVisitor&)`.
template <typename Settings>
concept Described = requires(Settings settings, FieldVisitor& visit) {
  settings.describe(visit);
};

/// Settings under names that the user chooses, in the order given.
template <Described Settings>
using Named = std::vector<std::pair<std::string, Settings>>;

class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;

  virtual void field(std::string_view name, bool& value, std::string_view meaning) = 0;
  virtual void field(std::string_view name, std::int64_t& value, std::string_view meaning,
                     Range<std::int64_t> range = {}) = 0;
  virtual void field(std::string_view name, double& value, std::string_view meaning,
                     Range<double> range = {}) = 0;
  virtual void field(std::string_view name, std::string& value, std::string_view meaning) = 0;
  /// Absent until the user gives it (and left out of the resolved file while absent); null takes it
  /// away again.
  virtual void field(std::string_view name, std::optional<std::int64_t>& value,
                     std::string_view meaning, Range<std::int64_t> range = {}) = 0;
  virtual void field(std::string_view name, std::optional<double>& value, std::string_view meaning,
                     Range<double> range = {}) = 0;
  virtual void field(std::string_view name, std::vector<std::int64_t>& value,
                     std::string_view meaning, Range<std::int64_t> range = {}) = 0;
  /// In a file one word may stand for a list of one.
  virtual void field(std::string_view name, std::vector<std::string>& value,
                     std::string_view meaning) = 0;
  virtual void field(std::string_view name, WordLists& value, std::string_view meaning) = 0;
  virtual void field(std::string_view name, Texts& value, std::string_view meaning) = 0;
  virtual void field(std::string_view name, NumberOrPaths& value, std::string_view meaning,
                     Range<double> range = {}) = 0;

  /// Paths (one or a list), which a file gives relative to its own folder and `--set` to the
  /// current one; on reading they become absolute or relative to the current folder. NumberOrPaths
  /// likewise.
  virtual void paths(std::string_view name, std::vector<std::string>& value,
                     std::string_view meaning) = 0;

  /// One of a fixed set of words: an enum class whose values are 0, 1, 2 … in the order of `words`.
  template <typename Enum, std::size_t size>
  void choice(std::string_view name, Enum& value, const std::array<std::string_view, size>& words,
              std::string_view meaning) {
    auto index = static_cast<std::size_t>(value);
    choose(name, index, words, meaning);
    value = static_cast<Enum>(index);
  }

  template <Described Settings>
  void section(std::string_view name, Settings& settings, std::string_view meaning) {
    enter(name, meaning);
    settings.describe(*this);
    leave();
  }

  /// A map from names to settings of one type: {near: {…}, far: {…}}.
  template <Described Settings>
  void named(std::string_view name, Named<Settings>& entries, std::string_view meaning) {
    for (std::string& added : enter_named(name, entries.size(), meaning)) {
      entries.emplace_back(std::move(added), Settings());
    }
    for (auto& [entry, settings] : entries) section(entry, settings, "");
    if (shows_examples()) {
      Settings example;
      section("NAME", example, "each under a name of your choice; one of these:");
    }
    leave();
  }

  /// One of several kinds of settings, as the only section of its place: {window: {…}}. Each kind
  /// has a kName and a kMeaning.
  template <Described... Kinds>
  void one_of(std::variant<Kinds...>& value) {
    static constexpr std::array<std::string_view, sizeof...(Kinds)> kNames = {Kinds::kName...};
    const std::size_t given = choose_kind(kNames, value.index());
    std::size_t index = 0;
    const auto visit_kind = [&](auto kind) {
      using Kind = decltype(kind);
      if (index == given && index != value.index()) value = kind;
      if (auto* held = std::get_if<Kind>(&value)) {
        section(Kind::kName, *held, Kind::kMeaning);
      } else if (shows_examples()) {
        section(Kind::kName, kind, Kind::kMeaning);
      }
      ++index;
    };
    (visit_kind(Kinds()), ...);
  }

 protected:
  virtual void choose(std::string_view name, std::size_t& index,
                      std::span<const std::string_view> words, std::string_view meaning) = 0;
  virtual void enter(std::string_view name, std::string_view meaning) = 0;
  virtual void leave() = 0;
  /// Like enter(), for a map that has `count` entries so far; gives the names of those to be added.
  virtual std::vector<std::string> enter_named(std::string_view name, std::size_t count,
                                               std::string_view meaning) = 0;
  /// Which of these sections there is: the one that is `held`, or another one.
  virtual std::size_t choose_kind(std::span<const std::string_view> kinds, std::size_t held) = 0;
  /// Whether to describe what could be named, and every kind that it could be of.
  virtual bool shows_examples() const { return false; }
};

}  // namespace sparse_transformer
