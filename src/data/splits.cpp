#include "data/splits.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <variant>

#include "config/errors.h"
#include "config/scalars.h"
#include "data/mix.h"

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

[[noreturn]] void throw_too_much(const std::string& source, std::int64_t valid, std::int64_t test,
                                 std::int64_t total) {
  throw UserError(source + ": data.split asks for " + std::to_string(valid) + " (valid) + " +
                  std::to_string(test) + " (test), but there are only " + std::to_string(total));
}

}  // namespace

SplitCounts split_counts(const SplitSettings& split, std::int64_t total, const std::string& source,
                         const DefaultShares& shares) {
  const std::int64_t valid = split_count(split.valid, shares.valid, total, "data.split.valid");
  const std::int64_t test = split_count(split.test, shares.test, total, "data.split.test");
  if (valid + test > total) throw_too_much(source, valid, test, total);
  return {.train = total - valid - test, .valid = valid, .test = test};
}

namespace {

/// Places are in units of 2^-53, so that they and shares compare exactly.
constexpr std::uint64_t kPlaces = std::uint64_t{1} << 53;

/// How many items a split takes, given each item's distance from the split's end of [0, 1).
std::ptrdiff_t dealt_count(const NumberOrPaths& size, double default_share, std::int64_t count,
                           const std::vector<std::uint64_t>& distances) {
  const double* number = std::get_if<double>(&size);
  if (!split_paths(size).empty() || (number != nullptr && *number >= 1)) return count;
  const double share = number == nullptr ? default_share : *number;
  return std::count_if(distances.begin(), distances.end(), [share](std::uint64_t distance) {
    return static_cast<double>(distance) < share * static_cast<double>(kPlaces);
  });
}

}  // namespace

DealtItems deal_items(const SplitSettings& split, std::span<const std::uint64_t> hashes,
                      const std::string& source) {
  const DefaultShares shares;
  const SplitCounts counts = split_counts(split, std::ssize(hashes), source);
  std::vector<std::uint64_t> from_bottom;
  std::vector<std::uint64_t> from_top;
  for (const std::uint64_t hash : hashes) {
    from_bottom.push_back(mix(static_cast<std::uint64_t>(split.seed), hash) % kPlaces);
    from_top.push_back(kPlaces - 1 - from_bottom.back());
  }
  const std::ptrdiff_t valid = dealt_count(split.valid, shares.valid, counts.valid, from_bottom);
  const std::ptrdiff_t test = dealt_count(split.test, shares.test, counts.test, from_top);
  if (valid + test > std::ssize(hashes)) throw_too_much(source, valid, test, std::ssize(hashes));

  std::vector<std::size_t> order(hashes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return from_bottom[a] < from_bottom[b]; });
  DealtItems dealt = {.train = {order.begin() + valid, order.end() - test},
                      .valid = {order.begin(), order.begin() + valid},
                      .test = {order.end() - test, order.end()}};
  for (auto* items : {&dealt.train, &dealt.valid, &dealt.test}) {
    std::sort(items->begin(), items->end());
  }
  return dealt;
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
