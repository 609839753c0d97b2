#include "data/splits.h"

#include <cmath>
#include <variant>

#include "config/errors.h"
#include "config/scalars.h"

namespace sparse_transformer {

namespace {

std::int64_t split_count(const NumberOrPaths& size, double default_share, std::int64_t total,
                         const std::string& key) {
  if (const auto* paths = std::get_if<std::vector<std::string>>(&size)) {
    return paths->empty() ? static_cast<std::int64_t>(static_cast<double>(total) * default_share)
                          : 0;
  }
  const double number = std::get<double>(size);
  if (!(number >= 0) || (number >= 1 && number != std::floor(number)) || number > 9e15) {
    throw SettingError(
        key, "got " + number_text(number) + ", expected a share below 1, a whole count, or paths");
  }
  return static_cast<std::int64_t>(number < 1 ? static_cast<double>(total) * number : number);
}

}  // namespace

SplitCounts split_counts(const SplitSettings& split, std::int64_t total, const std::string& source,
                         const DefaultShares& shares) {
  const std::int64_t valid = split_count(split.valid, shares.valid, total, "data.split.valid");
  const std::int64_t test = split_count(split.test, shares.test, total, "data.split.test");
  if (valid + test > total) {
    throw UserError(source + ": data.split asks for " + std::to_string(valid) + " (valid) + " +
                    std::to_string(test) + " (test), but there are only " + std::to_string(total));
  }
  return {.train = total - valid - test, .valid = valid, .test = test};
}

std::vector<std::string> split_paths(const NumberOrPaths& size) {
  const auto* paths = std::get_if<std::vector<std::string>>(&size);
  return paths != nullptr ? *paths : std::vector<std::string>{};
}

void refuse_split_paths(const SplitSettings& split, const std::string& source) {
  const std::string problem = "got paths, expected a share or a count for " + source;
  if (!split_paths(split.valid).empty()) throw SettingError("data.split.valid", problem);
  if (!split_paths(split.test).empty()) throw SettingError("data.split.test", problem);
}

}  // namespace sparse_transformer
