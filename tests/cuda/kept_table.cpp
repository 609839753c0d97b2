#include "tests/cuda/kept_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

namespace sparse_transformer {
namespace {

/// 1234567 as 1,234,567.
std::string with_commas(std::int64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3;) digits.insert(i -= 3, ",");
  return digits;
}

}  // namespace

KeptTable::KeptTable(std::string path, std::vector<std::string> titles)
    : path_(std::move(path)), titles_(std::move(titles)) {
  std::ifstream file(path_);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] != '|') {
      text_ += line + '\n';
    } else {
      add(line);
    }
  }
}

/// Lines that are not a row of numbers, as the titles, are not kept.
void KeptTable::add(const std::string& line) {
  std::istringstream cells(line.substr(2));
  std::string name, cell;
  std::getline(cells, name, '|');
  Numbers numbers;
  while (std::getline(cells, cell, '|')) {
    std::erase_if(cell, [](char c) { return c == ',' || c == ' '; });
    if (cell.empty() || !std::all_of(cell.begin(), cell.end(), ::isdigit)) return;
    numbers.push_back(std::stoll(cell));
  }
  if (numbers.size() + 1 == titles_.size()) rows_[name.substr(0, name.size() - 1)] = numbers;
}

std::vector<std::string> KeptTable::names() const {
  std::vector<std::string> names;
  for (const auto& [name, numbers] : rows_) names.push_back(name);
  return names;
}

void KeptTable::write(const std::vector<std::string>& all_names) const {
  std::ofstream file(path_);
  file << text_ << '|';
  for (const std::string& title : titles_) file << ' ' << title << " |";
  file << "\n| --- |";
  for (std::size_t i = 1; i < titles_.size(); ++i) file << " ---: |";
  file << '\n';
  for (const std::string& name : all_names) {
    const auto row = rows_.find(name);
    if (row == rows_.end()) continue;
    file << "| " << name << " |";
    for (const std::int64_t number : row->second) file << ' ' << with_commas(number) << " |";
    file << '\n';
  }
}

void KeptTable::expect_no_growth(const std::string& name, const Numbers& numbers,
                                 const char* variable, const std::vector<std::string>& all_names) {
  if (std::getenv(variable) != nullptr) {
    rows_[name] = numbers;
    return write(all_names);
  }
  const auto kept = rows_.find(name);
  ASSERT_NE(kept, rows_.end()) << path_ << " has no row \"" << name << '"';
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_LE(static_cast<double>(numbers[i]), 1.02 * static_cast<double>(kept->second[i]))
        << titles_[i + 1] << ": " << with_commas(numbers[i]) << " instead of "
        << with_commas(kept->second[i]) << ". If that is meant, " << variable << "=1 writes "
        << path_ << " anew.";
  }
}

}  // namespace sparse_transformer
