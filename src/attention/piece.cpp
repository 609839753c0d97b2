#include "attention/piece.h"

#include <algorithm>

namespace sparse_transformer {
namespace {

bool is_whole(const Band& band) { return band.view.length == kUnbounded; }

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
  const auto [length, inner] = band.view;
  if (is_whole(band)) {
    const std::int64_t longer = n % inner;  // columns with one position more
    const std::int64_t rows = n / inner;
    return longer * pairs_between(band, rows + 1, rows + 1) +
           (inner - longer) * pairs_between(band, rows, rows);
  }
  const std::int64_t outer = n / (length * inner);
  const std::int64_t rest = n % (length * inner);
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

std::int64_t count_shared(const Shared& shared, std::int64_t n) {
  const std::int64_t rows = n / shared.stride;
  const std::int64_t full =
      std::max<std::int64_t>(0, rows - shared.distance);  // rows that see a key, but the last
  const std::int64_t last = std::max<std::int64_t>(0, rows - shared.distance + 1);
  return shared.width * (shared.stride * full * (full + 1) / 2 + n % shared.stride * last);
}

KeyGrid band_keys(const Band& band, std::int64_t t) {
  const auto [length, inner] = band.view;
  const std::int64_t c = t % inner;
  const std::int64_t outer = is_whole(band) ? 0 : t / inner / length;
  const std::int64_t i = is_whole(band) ? t / inner : t / inner % length;
  if (outer < band.shift) return {};
  const std::int64_t first = std::max<std::int64_t>(0, i - band.high);
  const std::int64_t last = std::min(is_whole(band) ? i : length - 1, i - band.low);
  const std::int64_t start = is_whole(band) ? 0 : (outer - band.shift) * length;
  return {.first = (start + first) * inner + c,
          .step = inner,
          .rows = std::max<std::int64_t>(0, last - first + 1)};
}

KeyGrid shared_keys(const Shared& shared, std::int64_t t, std::int64_t head) {
  return {.first = shared.first_column(head),
          .step = shared.stride,
          .rows = std::max<std::int64_t>(0, t / shared.stride - shared.distance + 1),
          .width = shared.width};
}

/// `band` without the differences i - j in [low, high].
std::vector<Piece> without(const Band& band, std::int64_t low, std::int64_t high) {
  std::vector<Piece> rest;
  if (high < band.low || low > band.high) return {band};
  if (low > band.low) {
    rest.emplace_back(band);
    std::get<Band>(rest.back()).high = low - 1;
  }
  if (high < band.high) {
    rest.emplace_back(band);
    std::get<Band>(rest.back()).low = high + 1;
  }
  return rest;
}

bool is_dense(const Piece& piece) {
  const auto* band = std::get_if<Band>(&piece);
  return band != nullptr && *band == Band{};
}

std::optional<std::vector<Piece>> band_remainder(const Band& band, const Band& taken) {
  if (band.view == taken.view) {
    if (band.shift != taken.shift) return std::vector<Piece>{band};
    return without(band, taken.low, taken.high);
  }
  // Column c of rows of l against a band inside or between those rows: they meet where the band has
  // i = j, at a distance of `shift` rows.
  const bool column_and_rows = is_whole(band) && taken.view == View{band.view.inner, 1};
  if (!column_and_rows) return std::nullopt;
  if (taken.low > 0 || taken.high < 0) return std::vector<Piece>{band};
  return without(band, taken.shift, taken.shift);
}

std::optional<std::vector<Piece>> shared_remainder(const Shared& shared, const Band& taken) {
  if (taken.view != View{shared.stride, 1}) return std::nullopt;
  if (taken.shift < shared.distance) return std::vector<Piece>{shared};
  const bool whole_row = taken.low <= 1 - shared.stride && taken.high >= shared.stride - 1;
  if (taken.shift != shared.distance || !whole_row) return std::nullopt;
  Shared rest = shared;
  rest.distance += 1;
  return std::vector<Piece>{rest};
}

}  // namespace

KeyGrid keys(const Piece& piece, std::int64_t t, std::int64_t head) {
  if (const auto* band = std::get_if<Band>(&piece)) return band_keys(*band, t);
  return shared_keys(std::get<Shared>(piece), t, head);
}

std::int64_t count_pairs(const Piece& piece, std::int64_t n) {
  if (const auto* band = std::get_if<Band>(&piece)) return count_band(*band, n);
  return count_shared(std::get<Shared>(piece), n);
}

std::optional<std::int64_t> look_back(const Piece& piece) {
  const auto* band = std::get_if<Band>(&piece);
  if (band == nullptr) return std::nullopt;
  if (is_whole(*band)) {
    if (band->high == kUnbounded) return std::nullopt;
    return band->high * band->view.inner;
  }
  const std::int64_t along = std::min(band->high, band->view.length - 1);
  return (band->shift * band->view.length + along) * band->view.inner;
}

std::optional<std::vector<Piece>> remainder(const Piece& piece, const Piece& taken) {
  if (piece == taken || is_dense(taken)) return std::vector<Piece>{};
  const auto* taken_band = std::get_if<Band>(&taken);
  if (taken_band == nullptr) return std::nullopt;
  if (const auto* band = std::get_if<Band>(&piece)) return band_remainder(*band, *taken_band);
  return shared_remainder(std::get<Shared>(piece), *taken_band);
}

std::vector<Piece> by_rows(const Piece& piece, std::int64_t stride) {
  const auto* band = std::get_if<Band>(&piece);
  if (band == nullptr || *band != Band{.high = stride - 1}) return {piece};
  return {Band{.view = {stride, 1}},
          Band{.view = {stride, 1}, .shift = 1, .low = -kUnbounded, .high = -1}};
}

}  // namespace sparse_transformer
