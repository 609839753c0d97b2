// Counts of what the kernels do against the table that is kept in docs/kernel-counts.md.
#include "tests/cuda/kernel_counts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <vector>

#include "tests/cuda/device.h"
#include "tests/cuda/kept_table.h"

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

KeptTable table() {
  std::vector<std::string> titles = {"launch"};
  for (const CountColumn& column : kCountColumns) titles.emplace_back(column.title);
  return {SPARSE_TRANSFORMER_KERNEL_COUNTS, titles};
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const CountedCase& c : counted_cases()) names.push_back(c.name);
  return names;
}

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
  table().expect_no_growth(c.name, {counts.begin(), counts.end()}, kWrite, case_names());
}

TEST(KernelCountTable, HasNoRowWithoutACase) {
  const std::vector<std::string> cases = case_names();
  for (const std::string& name : table().names()) {
    EXPECT_NE(std::find(cases.begin(), cases.end(), name), cases.end()) << name;
  }
}

}  // namespace
}  // namespace sparse_transformer
