#include "runtime/format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "config/characters.h"

namespace sparse_transformer {

namespace {

// `large` of one unit and two digits of the next smaller one: "1h02m".
std::string two_units(std::int64_t large, char large_unit, std::int64_t small, char small_unit) {
  const std::string digits = std::to_string(small);
  return std::to_string(large) + large_unit + (small < 10 ? "0" : "") + digits + small_unit;
}

// Letters, not bytes.
std::size_t letters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string format_count(std::int64_t count) {
  std::string text = std::to_string(count);
  const std::size_t first_digit = count < 0 ? 1 : 0;
  for (std::size_t end = text.size(); end > first_digit + 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::array<std::string_view, 6> units = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  if (std::abs(value) < 1) return std::to_string(bytes) + " B";
  std::size_t unit = 0;
  for (; std::abs(value) >= 1023.95 && unit + 1 < units.size(); ++unit) value /= 1024;
  return format_fixed(value, 1) + " " + std::string(units[unit]);
}

std::string format_duration(double seconds) {
  constexpr std::int64_t minute = 60;
  constexpr std::int64_t hour = 60 * minute;
  constexpr std::int64_t day = 24 * hour;
  if (!std::isfinite(seconds) || seconds < 0 || seconds >= 1e15) return "?";
  if (seconds < 9.95) return format_fixed(seconds, 1) + "s";
  const std::int64_t whole = std::llround(seconds);
  if (whole < minute) return std::to_string(whole) + "s";
  if (whole < hour) return two_units(whole / minute, 'm', whole % minute, 's');
  if (whole < day) return two_units(whole / hour, 'h', whole % hour / minute, 'm');
  return two_units(whole / day, 'd', whole % day / hour, 'h');
}

std::string format_rate(double quantity) {
  constexpr std::array<std::string_view, 7> units = {"", "k", "M", "G", "T", "P", "E"};
  std::size_t unit = 0;
  for (; std::abs(quantity) >= 999.5 && unit + 1 < units.size(); ++unit) quantity /= 1000;
  int decimals = 0;
  if (std::abs(quantity) < 9.995) {
    decimals = 2;
  } else if (std::abs(quantity) < 99.95) {
    decimals = 1;
  }
  return format_fixed(quantity, decimals) + std::string(units[unit]);
}

std::string format_power(double quantity) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.1e", quantity);
  std::string shown = text.data();  // "6.6e+18"
  const std::size_t exponent = shown.find('e');
  if (exponent == std::string::npos) return shown;  // not finite
  return shown.substr(0, exponent + 1) + std::to_string(std::stoi(shown.substr(exponent + 1)));
}

std::string format_fixed(double value, int decimals) {
  const int length = std::snprintf(nullptr, 0, "%.*f", decimals, value);
  std::string text(static_cast<std::size_t>(length), '\0');
  std::snprintf(text.data(), text.size() + 1, "%.*f", decimals, value);
  return text;
}

std::string format_table(const std::vector<std::vector<std::string>>& rows,
                         std::size_t text_columns) {
  std::vector<std::vector<std::string>> shown = rows;
  std::vector<std::size_t> widths(rows.empty() ? 0 : rows.front().size());
  for (auto& row : shown) {
    for (std::size_t column = 0; column < widths.size(); ++column) {
      row.at(column) = printable(row.at(column));
      widths[column] = std::max(widths[column], letters(row[column]));
    }
  }
  std::string text;
  for (const auto& row : shown) {
    std::string line;
    for (std::size_t column = 0; column < widths.size(); ++column) {
      const std::string space(widths[column] - letters(row[column]), ' ');
      line += column > 0 ? "  " : "";
      line += column < text_columns ? row[column] + space : space + row[column];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace sparse_transformer
