// The configs against docs/paper.md, which says where each value comes from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "training/settings.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = SPARSE_TRANSFORMER_CONFIGS;

struct Fact {
  std::string value, from, kind;  // kind: same, inferred or ours
};

/// The facts of each config ("cifar10.yaml"; "" = the defaults), by their setting.
using Facts = std::map<std::string, std::map<std::string, Fact>>;

std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::size_t begin = row.find("| ") + 2;
  for (std::size_t end = 0; (end = row.find(" |", begin)) != std::string::npos; begin = end + 3) {
    cells.push_back(row.substr(begin, end - begin));
  }
  return cells;
}

std::string unquoted(const std::string& text) { return text.substr(1, text.size() - 2); }

Facts read_facts() {
  Facts facts;
  std::ifstream file(kConfigs.parent_path() / "docs" / "paper.md");
  std::string config;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## `")) config = unquoted(line.substr(3));
    if (!line.starts_with("| `")) continue;
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() != 4) {
      ADD_FAILURE() << "four cells expected: " << line;
      continue;
    }
    facts[config][unquoted(cells[0])] = {.value = cells[1], .from = cells[2], .kind = cells[3]};
  }
  return facts;
}

std::string text_of(const fs::path& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The line of a config that gives `setting`, each section indented by two spaces, or "".
std::string line_of(const std::string& text, const std::string& setting) {
  const auto depth = static_cast<std::size_t>(std::count(setting.begin(), setting.end(), '.'));
  const std::string key =
      std::string(2 * depth, ' ') + setting.substr(setting.rfind('.') + 1) + ":";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) return line;
  }
  return "";
}

Settings settings_of(const std::string& config, const std::vector<std::string>& overrides = {}) {
  if (!config.empty()) return read_settings(open_config({kConfigs / config}, overrides));
  // The defaults: no config can do without the length of a sequence.
  return read_settings(Config::from_text("data: {sequence: 1024}", "defaults", overrides));
}

/// The config that this one starts from, "" where it starts from the defaults.
std::string base_of(const std::string& config) {
  const std::string line = line_of(text_of(kConfigs / config), "base");
  return line.empty() ? "" : line.substr(line.find(": ") + 2);
}

/// Settings that move no figure.
bool is_left_out(const std::string& setting) {
  static const std::set<std::string> names = {"data.path",
                                              "data.split.valid",
                                              "data.split.test",
                                              "training.micro_batch",
                                              "training.evaluate_every",
                                              "training.evaluate_examples",
                                              "training.sample_every",
                                              "training.sample_count",
                                              "training.checkpoint_every"};
  return names.contains(setting);
}

TEST(Paper, EachFactIsWhatTheConfigSays) {
  const Facts facts = read_facts();
  EXPECT_EQ(facts.size(), 20);
  for (const auto& [config, settings] : facts) {
    const Settings said = settings_of(config);
    for (const auto& [setting, fact] : settings) {
      const Settings meant = settings_of(config, {setting + "=" + fact.value});
      EXPECT_THAT(settings_differences(said, meant), testing::IsEmpty())
          << config << ": " << setting << " is not " << fact.value;
    }
  }
}

TEST(Paper, EachSettingOfTheConfigsHasItsFact) {
  for (const auto& [config, settings] : read_facts()) {
    if (config.empty()) continue;
    const Settings base = settings_of(base_of(config));
    for (const auto& [setting, before, after] : settings_differences(base, settings_of(config))) {
      if (is_left_out(setting) || after == "null")
        continue;  // the length of a picture is its shape's
      const bool is_given = !line_of(text_of(kConfigs / config), setting).empty();
      if (setting == "model.attention.summary" && !is_given)
        continue;  // it follows from the stride
      EXPECT_TRUE(settings.contains(setting)) << config << ": " << setting;
    }
  }
}

TEST(Paper, EachFactHasASource) {
  for (const auto& [config, settings] : read_facts()) {
    for (const auto& [setting, fact] : settings) {
      EXPECT_THAT(fact.kind, testing::AnyOf("same", "inferred", "ours")) << config << setting;
      EXPECT_TRUE(fact.kind == "ours" || !fact.from.empty()) << config << setting;
      EXPECT_THAT(fact.from, testing::Not(testing::HasSubstr("configs/"))) << config << setting;
    }
  }
}

TEST(Paper, ConfigsSayWhatIsOurs) {
  for (const auto& [config, settings] : read_facts()) {
    if (config.empty()) continue;
    const std::string text = text_of(kConfigs / config);
    for (const auto& [setting, fact] : settings) {
      const std::string line = line_of(text, setting);
      if (fact.kind != "ours" || line.empty()) continue;
      EXPECT_THAT(line, testing::HasSubstr("our choice")) << config << ": " << setting;
    }
  }
}

TEST(Paper, EachConfigOfThePaperHasFacts) {
  const Facts facts = read_facts();
  for (const auto& entry : fs::directory_iterator(kConfigs)) {
    const std::string text = text_of(entry.path());
    if (text.find("Child et al.") == std::string::npos && text.find("preset") == std::string::npos)
      continue;
    if (text.find("two CPU cores") != std::string::npos) continue;
    EXPECT_TRUE(facts.contains(entry.path().filename().string())) << entry.path();
  }
}

}  // namespace
}  // namespace sparse_transformer
