// The attention of one token of every sequence (attention/kernels/token_attention.cu) against its
// definition in float64: token by token, as sampling does.
#include "attention/kernels/token_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "tests/attention/pattern_cases.h"
#include "tests/cuda/attention_reference.h"
#include "tests/cuda/device_buffer.h"
#include "tests/cuda/half.h"
#include "tests/cuda/random_numbers.h"

namespace sparse_transformer {
namespace {

constexpr std::size_t kBatch = 2, kMostRuns = 16;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Rows first, first + step, ... of the cache.
struct Run {
  std::int32_t first, step, count;
};

/// What a position's query reads where the cache of a head has a row for each position.
std::vector<Run> runs_of(const LayerPattern& pattern, std::int64_t t, std::int64_t head) {
  std::vector<Run> runs;
  for (const Piece& piece : pattern.group_of(head).pieces) {
    for (const KeyGrid& grid : keys(piece, t, head)) {
      const bool by_rows = grid.rows <= grid.width;
      const std::int64_t count = by_rows ? grid.rows : grid.width;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t first = grid.first + i * (by_rows ? grid.step : grid.width_step);
        runs.push_back({static_cast<std::int32_t>(first),
                        static_cast<std::int32_t>(by_rows ? grid.width_step : grid.step),
                        static_cast<std::int32_t>(by_rows ? grid.width : grid.rows)});
      }
    }
  }
  return runs;
}

/// Whether no position has more runs than a table may hold.
bool has_few_runs(const PatternCase& c) {
  const LayerPattern pattern = layer_of(c);
  for (std::int64_t t = 0; t < c.n; ++t) {
    for (std::int64_t head = 0; head < c.heads; ++head) {
      if (runs_of(pattern, t, head).size() > kMostRuns) return false;
    }
  }
  return true;
}

/// A cache on the device with the table that says where its rows are (attention/token_table.h). It
/// has room for two copies of each row; a position is kept in both, in the second one for half of
/// the heads only.
template <typename T>
class Cache {
 public:
  Cache(const PatternCase& c, const AttentionSize& size)
      : size_(size), memory_(kBatch * size.heads * 2 * size.n * row_width()) {
    const LayerPattern pattern = layer_of(c);
    std::vector<std::int32_t> entries;
    for (std::int64_t t = 0; t < c.n; ++t) {
      for (std::int64_t head = 0; head < c.heads; ++head) {
        entries.push_back(static_cast<std::int32_t>(t));
        entries.push_back(head % 2 == 0 ? static_cast<std::int32_t>(c.n + t) : -1);
        std::vector<Run> runs = runs_of(pattern, t, head);
        runs.resize(kMostRuns);
        for (const Run& run : runs) {
          entries.insert(entries.end(), {run.first, run.step, run.count});
        }
      }
    }
    entries_.write(entries);
    std::vector<std::int64_t> places;
    for (std::int64_t head = 0; head < c.heads; ++head) {
      places.insert(places.end(), {head, head * 2 * c.n});
    }
    places_.write(places);
  }

  /// Attends from position t of every sequence and head. packed, out: those of the position alone.
  void attend(std::size_t t, const DeviceBuffer<T>& packed, const DeviceBuffer<T>& out) const {
    const DeviceBuffer<std::int64_t> position(
        std::vector<std::int64_t>{static_cast<std::int64_t>(t)});
    const TokenAttentionParams params = {
        .batch = kBatch,
        .heads = static_cast<std::int32_t>(size_.heads),
        .query_width = static_cast<std::int32_t>(size_.query_width()),
        .value_width = static_cast<std::int32_t>(size_.value_width()),
        .scale = static_cast<float>(size_.shape.scale),
        .packed = packed.data(),
        .memory = memory_.data(),
        .layer_rows = static_cast<std::int64_t>(size_.heads * 2 * size_.n),
        .out = out.data(),
        .entries = entries_.data(),
        .head_places = places_.data(),
        .places = 2,
        .runs = kMostRuns,
        .sets = static_cast<std::int32_t>(size_.heads),
        .position = position.data()};
    expect_success(launch_token_attention(params, kType, nullptr));
  }

  std::vector<T> memory() const { return memory_.read(); }
  /// Where the row of position t is kept first, and for every second head again.
  std::size_t row(std::size_t sequence, std::size_t head, std::size_t copy, std::size_t t) const {
    return (((sequence * size_.heads + head) * 2 + copy) * size_.n + t) * row_width();
  }
  std::size_t row_width() const { return size_.query_width() + size_.value_width(); }

 private:
  static constexpr CacheType kType = std::is_same_v<T, float>      ? CacheType::kFloat32
                                     : std::is_same_v<T, Bfloat16> ? CacheType::kBfloat16
                                                                   : CacheType::kFloat16;
  std::size_t entry_numbers() const { return size_.n * size_.heads * (2 + 3 * kMostRuns); }

  AttentionSize size_;
  DeviceBuffer<T> memory_;
  DeviceBuffer<std::int32_t> entries_{entry_numbers()};
  DeviceBuffer<std::int64_t> places_{2 * size_.heads};
};

AttentionSize size_of(const PatternCase& c, std::int64_t query_width, std::int64_t value_width) {
  return {kBatch, static_cast<std::size_t>(c.n), static_cast<std::size_t>(c.heads),
          HeadShape{query_width, value_width, 0.35}};
}

/// Decodes a whole sequence, and keeps its rows in `cache`. Returns [batch, n, heads, value_width].
template <typename T>
std::vector<double> decode(const AttentionSize& size, const std::vector<T>& packed,
                           const Cache<T>& cache) {
  const std::size_t row = size.heads * size.packed_width();
  const std::size_t out_row = size.heads * size.value_width();
  std::vector<double> all(kBatch * size.n * out_row);
  for (std::size_t t = 0; t < size.n; ++t) {
    std::vector<T> rows;
    for (std::size_t b = 0; b < kBatch; ++b) {
      const auto begin = packed.begin() + static_cast<std::ptrdiff_t>((b * size.n + t) * row);
      rows.insert(rows.end(), begin, begin + static_cast<std::ptrdiff_t>(row));
    }
    const DeviceBuffer<T> device_rows(rows), out(kBatch * out_row);
    cache.attend(t, device_rows, out);
    const std::vector<double> numbers = exact(out.read());
    for (std::size_t b = 0; b < kBatch; ++b) {
      std::copy_n(numbers.begin() + static_cast<std::ptrdiff_t>(b * out_row), out_row,
                  all.begin() + static_cast<std::ptrdiff_t>((b * size.n + t) * out_row));
    }
  }
  return all;
}

template <typename T>
std::vector<T> random_packed(const AttentionSize& size) {
  return rounded<T>(RandomNumbers(11).normal(size.rows() * size.packed_width()));
}

AttentionReference reference(const PatternCase& c, const AttentionSize& size,
                             const std::vector<double>& packed) {
  static const std::vector<double> no_gradient(1 << 20);
  const auto number = [](std::size_t x) { return static_cast<std::int64_t>(x); };
  return {size, packed, no_gradient,
          [&](std::size_t head, std::size_t i, std::size_t j) {
            return sees(c, number(head), number(i), number(j));
          },
          0.0};
}

template <typename T>
void expect_exact(const PatternCase& c, const AttentionSize& size) {
  const std::vector<T> packed = random_packed<T>(size);
  const Cache<T> cache(c, size);
  const std::vector<double> out = decode(size, packed, cache);
  const std::vector<double> wide = exact(packed);
  const AttentionReference right = reference(c, size, wide);
  // Computed in float32 and rounded once.
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double exact_out = right.out.exact[i];
    ASSERT_LE(std::abs(out[i] - exact_out), 5e-6 + 1.01 * kRounding<T> * std::abs(exact_out)) << i;
  }
}

/// Every pattern once, at a length that is quick to go through and no multiple of the stride.
std::vector<PatternCase> token_cases() {
  std::vector<PatternCase> cases;
  std::set<std::vector<std::string>> known;
  for (const PatternCase& c : pattern_cases()) {
    const PatternCase short_case = {c.entry, 27, 6, 2, 4};
    if (known.insert(c.entry).second && has_few_runs(short_case)) cases.push_back(short_case);
  }
  return cases;
}

std::string test_name(const PatternCase& c) {
  std::string name;
  for (const std::string& entry : c.entry) name += (name.empty() ? "" : "_or_") + entry;
  for (char& letter : name) letter = letter == '+' ? '_' : letter;
  return name;
}

class TokenAttention : public testing::TestWithParam<PatternCase> {};
INSTANTIATE_TEST_SUITE_P(Patterns, TokenAttention, testing::ValuesIn(token_cases()),
                         [](const auto& its) { return test_name(its.param); });

TEST_P(TokenAttention, EqualsWholeSequences) {
  expect_exact<float>(GetParam(), size_of(GetParam(), 8, 16));
}

TEST(TokenAttention, ServesWidthsAndTypes) {
  const PatternCase c = {{"fixed", "local+column"}, 27, 6, 2, 4};
  for (const auto& [query_width, value_width] :
       {std::pair(8, 8), {64, 128}, {128, 64}, {24, 40}, {72, 8}}) {
    SCOPED_TRACE(std::to_string(query_width) + " " + std::to_string(value_width));
    const AttentionSize size = size_of(c, query_width, value_width);
    expect_exact<float>(c, size);
    expect_exact<Bfloat16>(c, size);
    expect_exact<Float16>(c, size);
  }
}

// Keys for every lane several times over.
TEST(TokenAttention, LongRunsAreSharedAmongWarps) {
  const PatternCase c = {{"dense"}, 300, 16, 4, 1};
  expect_exact<Bfloat16>(c, size_of(c, 64, 32));
}

TEST(TokenAttention, KeepsRowsInEachOfTheirPlaces) {
  const PatternCase c = {{"local"}, 9, 4, 2, 2};
  const AttentionSize size = size_of(c, 8, 16);
  const std::vector<float> packed = random_packed<float>(size);
  const Cache<float> cache(c, size);
  decode(size, packed, cache);
  const std::vector<float> memory = cache.memory();
  for (std::size_t b = 0; b < kBatch; ++b) {
    for (std::size_t t = 0; t < size.n; ++t) {
      for (std::size_t head = 0; head < size.heads; ++head) {
        const std::size_t from =
            ((b * size.n + t) * size.heads + head) * size.packed_width() + size.query_width();
        for (std::size_t i = 0; i < cache.row_width(); ++i) {
          EXPECT_EQ(memory[cache.row(b, head, 0, t) + i], packed[from + i]);
          const float second = memory[cache.row(b, head, 1, t) + i];
          if (head % 2 == 0) {
            EXPECT_EQ(second, packed[from + i]);
          } else {
            EXPECT_TRUE(std::isnan(second)) << "written though it has no second place";
          }
        }
      }
    }
  }
}

// Where exp(score) itself would be 0 or infinite.
TEST(TokenAttention, ScoresFarFromZeroAreExact) {
  const PatternCase c = {{"dense"}, 40, 4, 2, 1};
  const AttentionSize size = size_of(c, 8, 8);
  for (const float key : {-8.0F, 8.0F}) {
    std::vector<float> packed = random_packed<float>(size);
    for (std::size_t i = 0; i < packed.size(); ++i) {
      const std::size_t part = i % size.packed_width() / size.query_width();
      packed[i] += part == 0 ? 8.0F : part == 1 ? key : 0.0F;
    }
    const Cache<float> cache(c, size);
    const std::vector<double> out = decode(size, packed, cache), wide = exact(packed);
    const AttentionReference right = reference(c, size, wide);
    for (std::size_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], right.out.exact[i], 1e-3) << i;
    }
  }
}

TEST(TokenAttention, NaNStaysNaN) {
  const PatternCase c = {{"dense"}, 40, 4, 2, 1};
  const AttentionSize size = size_of(c, 8, 8);
  for (const std::size_t t : {0, 37}) {
    std::vector<float> packed = random_packed<float>(size);
    for (std::size_t b = 0; b < kBatch; ++b) {
      const std::size_t key = (b * size.n + t) * size.packed_width() + size.query_width();
      std::fill_n(packed.begin() + static_cast<std::ptrdiff_t>(key), 8, static_cast<float>(kNaN));
    }
    const Cache<float> cache(c, size);
    const std::vector<double> out = decode(size, packed, cache);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t position = i / size.value_width() % size.n;
      EXPECT_EQ(std::isnan(out[i]), position >= t) << i;
    }
  }
}

}  // namespace
}  // namespace sparse_transformer
