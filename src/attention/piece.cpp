#include "attention/piece.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace sparse_transformer {
namespace {

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Pairs (i, j) with 0 <= i < queries, 0 <= j < keys and i - j >= low.
std::int64_t pairs_from(std::int64_t queries, std::int64_t keys, std::int64_t low) {
  // Key j is seen by the queries max(0, j + low) … queries - 1: all of them while j + low <= 0.
  const std::int64_t seen_by_all = std::clamp<std::int64_t>(-low + 1, 0, keys);
  const std::int64_t last = std::min(keys, queries - low);  // the first key that no query sees
  std::int64_t pairs = seen_by_all * queries;
  if (last > seen_by_all) {
    const std::int64_t most = queries - (seen_by_all + low);
    const std::int64_t least = queries - (last - 1 + low);
    pairs += (most + least) * (last - seen_by_all) / 2;
  }
  return pairs;
}

std::int64_t pairs_between(const Band& band, std::int64_t queries, std::int64_t keys) {
  const auto bounded = [&](std::int64_t bound) { return std::clamp(bound, -keys, queries); };
  return pairs_from(queries, keys, bounded(band.low)) -
         pairs_from(queries, keys, bounded(band.high < kUnbounded ? band.high + 1 : kUnbounded));
}

std::int64_t count_band(const Band& band, std::int64_t n) {
  const auto [length, inner, origin] = band.view;
  const std::int64_t positions = std::max<std::int64_t>(0, n - origin);
  if (band.view.is_whole()) {
    const std::int64_t longer = positions % inner;  // columns with one position more
    const std::int64_t rows = positions / inner;
    const auto pairs = [&](std::int64_t queries) {
      return pairs_between(band, queries, std::min(queries, band.keys));
    };
    return longer * pairs(rows + 1) + (inner - longer) * pairs(rows);
  }
  const std::int64_t outer = positions / (length * inner);
  const std::int64_t rest = positions % (length * inner);
  const std::int64_t rows = rest / inner;
  const auto last_keys = [&](std::int64_t queries) { return band.shift > 0 ? length : queries; };
  std::int64_t pairs =
      std::max<std::int64_t>(0, outer - band.shift) * inner * pairs_between(band, length, length);
  if (outer >= band.shift) {
    pairs += (rest % inner) * pairs_between(band, rows + 1, last_keys(rows + 1)) +
             (inner - rest % inner) * pairs_between(band, rows, last_keys(rows));
  }
  return pairs;
}

std::int64_t count_shared(const Shared& shared, std::int64_t n, std::int64_t head) {
  const std::int64_t groups = shared.groups(n - 1, head);
  const std::int64_t queries = n - shared.origin - shared.delay_of(head);  // of the first group
  return shared.width * (groups * queries - shared.period * (groups * (groups - 1) / 2));
}

/// Differences t - key that occur: step·k with first <= k <= last.
struct Differences {
  std::int64_t step, first, last;

  bool is_empty() const { return first > last; }
  std::int64_t smallest() const { return step * first; }
  std::int64_t largest() const { return last >= kUnbounded / step ? kUnbounded : step * last; }
};

Differences differences(const Band& band) {
  const auto [length, inner, origin] = band.view;
  if (band.view.is_whole()) return {inner, band.low, band.high};
  return {inner, band.shift * length + std::max(band.low, 1 - length),
          band.shift * length + std::min(band.high, length - 1)};
}

Differences common(const Differences& a, const Differences& b) {
  const std::int64_t step = std::lcm(a.step, b.step);
  const std::int64_t largest = std::min(a.largest(), b.largest());
  return {step, divide_up(std::max(a.smallest(), b.smallest()), step),
          largest == kUnbounded ? kUnbounded : largest / step};
}

/// `band` without the differences i - j in [low, high].
std::vector<Piece> without(const Band& band, std::int64_t low, std::int64_t high) {
  const std::int64_t length = band.view.length;
  const std::int64_t lowest = std::max(band.low, 1 - length);
  const std::int64_t highest = std::min(band.high, length - 1);
  if (high < lowest || low > highest) return {band};
  std::vector<Piece> rest;
  if (low > lowest) {
    rest.emplace_back(band);
    std::get<Band>(rest.back()).high = low - 1;
  }
  if (high < highest) {
    rest.emplace_back(band);
    std::get<Band>(rest.back()).low = high + 1;
  }
  return rest;
}

bool is_dense(const Piece& piece) {
  const auto* band = std::get_if<Band>(&piece);
  return band != nullptr && *band == Band{};
}

/// Behind the last position that is a key.
std::int64_t key_end(const Band& band) {
  return band.keys < kUnbounded ? band.view.origin + band.keys : kUnbounded;
}

/// Whether the band is the first keys of a sequence, seen by all that come later.
bool is_prefix(const Band& band) {
  return band.keys < kUnbounded && band.low <= 0 && band.high == kUnbounded;
}

/// Bands from the first position behind a prefix on. A segment that the prefix cuts is given up.
Remainder behind(const Band& band, const Band& prefix) {
  const std::int64_t end = key_end(prefix);
  if (band.view.origin < prefix.view.origin) return {{}, false};
  Band rest = band;
  if (band.view.is_whole()) {
    rest.view.origin = end;
    if (band.keys < kUnbounded) rest.keys -= end - band.view.origin;
    if (rest.keys <= 0) return {};
    return {{rest}};
  }
  const std::int64_t segment = band.view.length * band.view.inner;
  const std::int64_t cut = end - band.view.origin;
  rest.view.origin += divide_up(cut, segment) * segment;
  return {{rest}, cut % segment == 0};
}

/// Whether a band has every pair with one of these differences whose key is not before its origin.
bool has_all(const Band& band, const Differences& some) {
  if (band.keys < kUnbounded) return false;
  if (band.view.is_whole()) return true;
  // The same place in the segment `shift` before is always there.
  const std::int64_t segments = band.shift * band.view.length * band.view.inner;
  return band.low <= 0 && band.high >= 0 && some.smallest() == segments &&
         some.largest() == segments;
}

Remainder band_remainder(const Band& band, const Band& taken) {
  const Differences shared = common(differences(band), differences(taken));
  if (shared.is_empty() || key_end(taken) <= band.view.origin ||
      key_end(band) <= taken.view.origin) {
    return {{band}};
  }
  if (is_prefix(taken)) return behind(band, taken);
  if (taken.keys == kUnbounded && band.view == taken.view) {
    if (band.shift != taken.shift) return {{band}};
    return {without(band, taken.low, taken.high)};
  }
  const std::int64_t inner = band.view.inner;
  const bool is_interval = shared.step == inner || shared.first == shared.last;
  if (taken.view.origin > band.view.origin || !has_all(taken, shared) || !is_interval) {
    return {{}, false};
  }
  const std::int64_t rows = band.view.is_whole() ? 0 : band.shift * band.view.length;
  const std::int64_t last =
      shared.largest() == kUnbounded ? kUnbounded : shared.largest() / inner - rows;
  return {without(band, shared.smallest() / inner - rows, last)};
}

/// The pairs of queries and keys more than `distance` positions apart, and perhaps not all of them.
Remainder beyond(const Shared& shared, std::int64_t distance) {
  const std::int64_t last_column = shared.first + (shared.width - 1) * shared.width_step;
  const std::int64_t nearest = shared.delay ? *shared.delay - last_column : 1;
  if (nearest > distance) return {{shared}};
  Shared rest = shared;
  rest.delay = divide_up(distance + 1 + last_column, shared.period) * shared.period;
  return {{rest}, false};
}

Remainder shared_remainder(const Shared& shared, const Band& taken) {
  if (is_prefix(taken)) {
    const std::int64_t end = key_end(taken);
    if (end <= shared.origin) return {{shared}};
    if (taken.view.origin > shared.origin) return {{}, false};
    Shared rest = shared;
    rest.origin += divide_up(end - shared.origin, shared.period) * shared.period;
    return {{rest}, (end - shared.origin) % shared.period == 0};
  }
  const bool same_rows = taken.view == View{shared.period, 1, shared.origin};
  if (same_rows && shared.delay && *shared.delay % shared.period == 0) {
    const std::int64_t distance = *shared.delay / shared.period;
    if (taken.shift < distance) return {{shared}};
    const bool whole_row = taken.low <= 1 - shared.period && taken.high >= shared.period - 1;
    if (taken.shift == distance && whole_row) {
      Shared rest = shared;
      *rest.delay += shared.period;
      return {{rest}};
    }
  }
  const std::int64_t largest = differences(taken).largest();
  if (largest == kUnbounded) return {{}, false};
  return beyond(shared, largest);
}

template <typename... Ts>
struct Overloaded : Ts... {  // NOLINT(misc-multiple-inheritance): of functions alone
  using Ts::operator()...;
};

std::vector<KeyGrid> some(const KeyGrid& grid) {
  if (grid.count() == 0) return {};
  return {grid};
}

std::vector<KeyGrid> listed(const Blocks& blocks, std::int64_t t, std::int64_t head) {
  std::vector<KeyGrid> grids;
  for (const std::int64_t key : blocks.table->keys(t, head)) {
    if (!grids.empty() && grids.back().first + grids.back().rows == key) {
      ++grids.back().rows;
    } else {
      grids.push_back({.first = key, .rows = 1});
    }
  }
  return grids;
}

}  // namespace

std::int64_t Shared::groups(std::int64_t t, std::int64_t head) const {
  const std::int64_t since = t - origin - delay_of(head);
  return since < 0 ? 0 : since / period + 1;
}

KeyGrid keys(const Band& band, std::int64_t t) {
  const auto [length, inner, origin] = band.view;
  if (t < origin) return {};
  const bool whole = band.view.is_whole();
  const std::int64_t c = (t - origin) % inner;
  const std::int64_t outer = whole ? 0 : (t - origin) / inner / length;
  const std::int64_t i = whole ? (t - origin) / inner : (t - origin) / inner % length;
  if (outer < band.shift) return {};
  const std::int64_t first = std::max<std::int64_t>(0, i - band.high);
  const std::int64_t last = std::min({whole ? i : length - 1, i - band.low, band.keys - 1});
  const std::int64_t start = whole ? 0 : (outer - band.shift) * length;
  return {.first = origin + (start + first) * inner + c,
          .step = inner,
          .rows = std::max<std::int64_t>(0, last - first + 1)};
}

KeyGrid keys(const Shared& shared, std::int64_t t, std::int64_t head) {
  return {.first = shared.origin + shared.first_column(head),
          .step = shared.period,
          .rows = shared.groups(t, head),
          .width = shared.width,
          .width_step = shared.width_step};
}

std::vector<KeyGrid> keys(const Piece& piece, std::int64_t t, std::int64_t head) {
  return std::visit(Overloaded{[&](const Band& band) { return some(keys(band, t)); },
                               [&](const Shared& shared) { return some(keys(shared, t, head)); },
                               [&](const Blocks& blocks) { return listed(blocks, t, head); }},
                    piece);
}

std::int64_t count_keys(const Piece& piece, std::int64_t t, std::int64_t head) {
  const std::vector<KeyGrid> grids = keys(piece, t, head);
  return std::accumulate(grids.begin(), grids.end(), std::int64_t{0},
                         [](std::int64_t sum, const KeyGrid& grid) { return sum + grid.count(); });
}

std::int64_t count_pairs(const Piece& piece, std::int64_t n, std::int64_t head) {
  return std::visit(
      Overloaded{[&](const Band& band) { return count_band(band, n); },
                 [&](const Shared& shared) { return count_shared(shared, n, head); },
                 [&](const Blocks& blocks) { return blocks.table->count_pairs(n, head); }},
      piece);
}

std::int64_t distinct_heads(const Piece& piece) {
  return std::visit(Overloaded{[](const Band&) { return std::int64_t{1}; },
                               [](const Shared& shared) { return shared.blocks; },
                               [](const Blocks& blocks) { return blocks.table->heads(); }},
                    piece);
}

std::optional<std::int64_t> look_back(const Piece& piece) {
  if (const auto* blocks = std::get_if<Blocks>(&piece)) return blocks->table->look_back();
  const auto* band = std::get_if<Band>(&piece);
  if (band == nullptr) return std::nullopt;
  const std::int64_t largest = differences(*band).largest();
  if (largest == kUnbounded) return std::nullopt;
  return largest;
}

Remainder remainder(const Piece& piece, const Piece& taken) {
  if (piece == taken || is_dense(taken)) return {};
  const auto* band = std::get_if<Band>(&piece);
  const auto* shared = std::get_if<Shared>(&piece);
  const auto* taken_band = std::get_if<Band>(&taken);
  if (taken_band != nullptr && band != nullptr) return band_remainder(*band, *taken_band);
  if (taken_band != nullptr && shared != nullptr) return shared_remainder(*shared, *taken_band);
  return {{}, false};
}

}  // namespace sparse_transformer
