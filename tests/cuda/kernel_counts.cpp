// Counts of what the kernels do against the table that is kept in docs/kernel-counts.md.
#include "tests/cuda/kernel_counts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cuda/device.h"

namespace sparse_transformer {

Counts count_kernels(const std::function<void()>& launch) {
  ptx::Device& device = ptx::Device::instance();
  const ptx::Schedule schedule = device.schedule();
  const std::map<std::string, ptx::Counters> before = device.counters();
  device.schedule() = {};
  launch();
  device.schedule() = schedule;
  Counts counts = {};
  for (const auto& [kernel, after] : device.counters()) {
    const auto known = before.find(kernel);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const auto member = kCountColumns[i].count;
      counts[i] += after.*member - (known != before.end() ? known->second.*member : 0);
    }
  }
  return counts;
}

namespace {

constexpr const char* kWrite = "SPARSE_TRANSFORMER_WRITE_KERNEL_COUNTS";

/// 1234567 as 1,234,567.
std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3;) digits.insert(i -= 3, ",");
  return digits;
}

/// The table in the Markdown file, a row a case. The text above it is left as it is.
class CountTable {
 public:
  CountTable() {
    std::ifstream file(kPath);
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line[0] != '|') {
        text_ += line + '\n';
      } else {
        add(line);
      }
    }
  }

  std::optional<Counts> find(const std::string& name) const {
    const auto row = rows_.find(name);
    return row != rows_.end() ? std::optional(row->second) : std::nullopt;
  }
  void set(const std::string& name, const Counts& counts) { rows_[name] = counts; }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, counts] : rows_) names.push_back(name);
    return names;
  }

  /// Rows of cases that are no more are left out.
  void write() const {
    std::ofstream file(kPath);
    file << text_ << "| launch |";
    for (const CountColumn& column : kCountColumns) file << ' ' << column.title << " |";
    file << "\n| --- |";
    for (std::size_t i = 0; i < kCountColumns.size(); ++i) file << " ---: |";
    file << '\n';
    for (const CountedCase& c : counted_cases()) {
      const std::optional<Counts> counts = find(c.name);
      if (!counts) continue;
      file << "| " << c.name << " |";
      for (const std::int64_t number : *counts) file << ' ' << with_commas(number) << " |";
      file << '\n';
    }
  }

 private:
  static constexpr const char* kPath = SPARSE_TRANSFORMER_KERNEL_COUNTS;

  /// Of lines that are no row of numbers nothing is kept.
  void add(const std::string& line) {
    std::istringstream cells(line.substr(2));
    std::string name, cell;
    std::getline(cells, name, '|');
    Counts counts = {};
    for (std::int64_t& count : counts) {
      if (!std::getline(cells, cell, '|')) return;
      std::erase_if(cell, [](char c) { return c == ',' || c == ' '; });
      if (cell.empty() || !std::all_of(cell.begin(), cell.end(), ::isdigit)) return;
      count = std::stoll(cell);
    }
    rows_[name.substr(0, name.size() - 1)] = counts;
  }

  std::string text_;
  std::map<std::string, Counts> rows_;
};

std::string test_name(const testing::TestParamInfo<CountedCase>& its) {
  std::string name = its.param.name;
  for (char& letter : name) letter = std::isalnum(letter) != 0 ? letter : '_';
  return name;
}

class KernelCounts : public testing::TestWithParam<CountedCase> {};
INSTANTIATE_TEST_SUITE_P(Table, KernelCounts, testing::ValuesIn(counted_cases()), test_name);

TEST_P(KernelCounts, HaveNotGrown) {
  const CountedCase& c = GetParam();
  const Counts counts = c.run();
  CountTable table;
  if (std::getenv(kWrite) != nullptr) {
    table.set(c.name, counts);
    return table.write();
  }
  const std::optional<Counts> kept = table.find(c.name);
  ASSERT_TRUE(kept) << "docs/kernel-counts.md has no row \"" << c.name << '"';
  for (std::size_t i = 0; i < counts.size(); ++i) {
    EXPECT_LE(static_cast<double>(counts[i]), 1.02 * static_cast<double>((*kept)[i]))
        << kCountColumns[i].title << ": " << with_commas(counts[i]) << " instead of "
        << with_commas((*kept)[i]) << ". If that is meant, " << kWrite
        << "=1 writes docs/kernel-counts.md anew.";
  }
}

TEST(KernelCountTable, HasNoRowWithoutACase) {
  const std::vector<CountedCase> cases = counted_cases();
  for (const std::string& name : CountTable().names()) {
    EXPECT_TRUE(std::any_of(cases.begin(), cases.end(), [&](const CountedCase& c) {
      return c.name == name;
    })) << name;
  }
}

}  // namespace
}  // namespace sparse_transformer
