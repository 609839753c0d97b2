// Figures as people read them, the same in every command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sparse_transformer {

/// 59196928 → "59,196,928".
std::string format_count(std::int64_t count);

/// In powers of 1024: "512 B", "1.5 KiB", "23.4 GiB".
std::string format_bytes(std::int64_t bytes);

/// A length of time: "0.4s", "12s", "1m02s", "1h02m", "3d04h"; "?" for one that is negative or not
/// finite.
std::string format_duration(double seconds);

/// A quantity in powers of 1000, three digits: "0.25", "15.2k", "3.41M", "1.20T". For rates and
/// FLOPs.
std::string format_rate(double quantity);

/// A quantity of any size with a power of ten, two digits: "6.6e18". For the FLOPs of a training.
std::string format_power(double quantity);

/// With this many digits after the point: format_fixed(2.3149, 2) → "2.31".
std::string format_fixed(double value, int decimals);

/// Lines of a table of UTF-8, two spaces between columns: the first `text_columns` begin, the
/// others, of numbers, end below each other. All rows have as many cells. Control characters in
/// them are escaped.
std::string format_table(const std::vector<std::vector<std::string>>& rows,
                         std::size_t text_columns);

}  // namespace sparse_transformer
