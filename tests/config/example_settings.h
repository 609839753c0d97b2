// A struct of settings with a field of every type, and a folder to write configs in.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/errors.h"

namespace sparse_transformer {

enum class Schedule { kConstant, kCosine, kOff };

struct DeepSettings {
  std::int64_t size = 2;
  bool operator==(const DeepSettings&) const = default;
  void describe(FieldVisitor& visit) { visit.field("size", size, "a size"); }
};

struct InnerSettings {
  double rate = 3.5e-4;
  DeepSettings deep;
  WordLists layers = {{"column"}, {"local", "near+start"}};
  bool operator==(const InnerSettings&) const = default;
  void describe(FieldVisitor& visit) {
    visit.field("rate", rate, "learning rate", more_than(0.0));
    visit.section("deep", deep, "a section in a section");
    visit.field("layers", layers, "one entry a layer");
  }
};

struct ExampleSettings {
  bool enabled = true;
  std::int64_t steps = 1000;
  double share = 0.05;
  std::string title = "no";
  std::optional<std::int64_t> sequence;
  std::vector<std::int64_t> shape = {32, 32, 3};
  std::vector<std::string> words = {"a", "b c"};
  NumberOrPaths split = 0.05;
  std::vector<std::string> data = {"data/enwik8"};
  Schedule schedule = Schedule::kCosine;
  InnerSettings inner;

  bool operator==(const ExampleSettings&) const = default;
  void describe(FieldVisitor& visit) {
    visit.field("enabled", enabled, "whether to");
    visit.field("steps", steps, "optimizer steps", at_least<std::int64_t>(1));
    visit.field("share", share, "a share", between(0.0, 1.0));
    visit.field("title", title, "a title");
    visit.field("sequence", sequence, "tokens", at_least<std::int64_t>(1));
    visit.field("shape", shape, "height, width, channels", between<std::int64_t>(1, 4096));
    visit.field("words", words, "some words");
    visit.field("split", split, "a share, a count, or paths", at_least(0.0));
    visit.paths("data", data, "where the data are");
    visit.choice("schedule", schedule, std::array<std::string_view, 3>{"constant", "cosine", "off"},
                 "of the rate");
    visit.section("inner", inner, "a section");
  }
};

/// Every test runs in an empty folder of its own, so that messages name relative paths.
class InFolder : public testing::Test {
 protected:
  InFolder() : before_(std::filesystem::current_path()) {
    std::string pattern = testing::TempDir() + "config_test_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    std::filesystem::current_path(folder_);
  }
  ~InFolder() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }

  static void write(const std::filesystem::path& path, std::string_view text) {
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }

  static ExampleSettings read(const std::vector<std::string>& files,
                              const std::vector<std::string>& overrides = {}) {
    ExampleSettings settings;
    Config(files, overrides).read(settings);
    return settings;
  }

  /// Reads the text as the file "a.yaml".
  static ExampleSettings read_text(std::string_view text) {
    write("a.yaml", text);
    return read({"a.yaml"});
  }

  /// The message of the UserError that reading ends in.
  static std::string error_of(const std::vector<std::string>& files,
                              const std::vector<std::string>& overrides = {}) {
    try {
      read(files, overrides);
    } catch (const UserError& error) {
      return error.what();
    }
    return "no error";
  }

  static std::string error_of_text(std::string_view text) {
    write("a.yaml", text);
    return error_of({"a.yaml"});
  }

  std::filesystem::path folder_, before_;
};

}  // namespace sparse_transformer
