// The code of token.h, under the rules of registers.inl.
#include <cstdint>

#include "attention/kernels/tiles_arithmetic.inl"
#include "attention/kernels/token.h"

namespace sparse_transformer {
namespace {

/// sums[i] = x · rows[i] lane by lane, for kRows rows of which the first `count` exist.
template <typename T, int kRows>
inline void multiply_by_lane(const T* x, const T* rows, std::int64_t stride, std::int64_t count,
                             std::int64_t width, Values<T>* sums) {
  const T* row[kRows];
  Values<T> sum[kRows] = {};
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) row[i] = rows + smaller(i, larger(0, count - 1)) * stride;
  const std::int64_t whole = width / kLanes<T> * kLanes<T>;
  for (std::int64_t c = 0; c < whole; c += kLanes<T>) {
    const Values<T> left = load(x + c);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) sum[i] += left * load(row[i] + c);
  }
  if (whole < width) {
    const Values<T> left = load_some(x + whole, width - whole);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) sum[i] += left * load_some(row[i] + whole, width - whole);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) sums[i] = sum[i];
}

/// Lane i is x · rows[i]; of the rows, at most kLanes, `count` exist, and the lanes beyond repeat
/// one of them.
template <typename T>
inline Values<T> dot_products(const T* x, const T* rows, std::int64_t stride, std::int64_t count,
                              std::int64_t width) {
  constexpr int kRows = kLanes<T> < 4 ? kLanes<T> : 4;  // as many as there are registers for
  Values<T> sums[kLanes<T>];
#pragma GCC unroll 4
  for (int i = 0; i < kLanes<T>; i += kRows) {
    const std::int64_t first = smaller(i, count - 1);
    multiply_by_lane<T, kRows>(x, rows + first * stride, stride, count - first, width, sums + i);
  }
  transpose<T>(sums);
  Values<T> products = sums[0];
#pragma GCC unroll 16
  for (int i = 1; i < kLanes<T>; ++i) products += sums[i];
  return products;
}

/// What becomes of one row of sums, [count] of kPanel.
template <typename T>
inline void finish_row(const T* sums, std::int64_t count, After after, T* y) {
  for (std::int64_t c = 0; c < count; c += kLanes<T>) {
    Values<T> sum = load(sums + c);
    if (after == After::kActivate) sum *= sigmoid<T>(T(1.702) * sum);
    if (after == After::kAdd) sum += load_some(y + c, count - c);
    store_some(y + c, sum, count - c);
  }
}

/// sums[rows, kPanel] += x[rows, depth] · panel[depth, kPanel] for at most kGroup rows. Every sum
/// is taken in the same order, whatever the number of rows.
template <typename T>
inline void multiply_panel(std::int64_t rows, Factor<T> x, const T* panel, T* sums,
                           std::int64_t depth) {
  if (rows > 1) {
    return multiply<T>(rows, x, {panel, kPanel}, {sums, kPanel}, kPanel, depth, Result::kAddedTo);
  }
  // Of a single row, more sums at a time, so that none waits for the one before.
  constexpr std::int64_t kColumns = 4 * kLanes<T> < kPanel ? 4 * kLanes<T> : kPanel;
  for (std::int64_t c = 0; c < kPanel; c += kColumns) {
    multiply_registers<T, 1, kColumns / kLanes<T>>(x, {panel + c, kPanel}, {sums + c, kPanel},
                                                   depth, Result::kAddedTo);
  }
}

template <typename T>
void multiply_packed(const TokenProduct<T>& product, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = product.width;
  T sums[kGroup * kPanel];
  for (std::int64_t panel = begin; panel < end; ++panel) {
    const std::int64_t first = panel * kPanel;
    const T* const weight = product.weight + first * width;
    for (std::int64_t row = 0; row < product.rows; row += kGroup) {
      const std::int64_t rows = smaller(kGroup, product.rows - row);
      for (std::int64_t i = 0; i < rows; ++i) {
        __builtin_memcpy(sums + i * kPanel, product.bias + first, kPanel * sizeof(T));
      }
      multiply_panel<T>(rows, {product.x + row * width, width, 1}, weight, sums, width);
      for (std::int64_t i = 0; i < rows; ++i) {
        finish_row(sums + i * kPanel, smaller(kPanel, product.outs - first), product.after,
                   product.y + (row + i) * product.outs + first);
      }
    }
  }
}

/// out[kVectors registers] += Σ weights[i] · rows[i]
template <typename T, int kVectors>
inline void add_registers(const T* weights, const T* rows, std::int64_t stride, std::int64_t count,
                          T* out) {
  Values<T> sum[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) sum[v] = load(out + v * kLanes<T>);
  for (std::int64_t i = 0; i < count; ++i) {
    const T weight = weights[i];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) sum[v] += weight * load(rows + i * stride + v * kLanes<T>);
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) store(out + v * kLanes<T>, sum[v]);
}

template <typename T>
void add_rows(const T* weights, const T* rows, std::int64_t stride, std::int64_t count,
              std::int64_t width, T* out) {
  std::int64_t c = 0;
  for (; width - c >= 8 * kLanes<T>; c += 8 * kLanes<T>) {
    add_registers<T, 8>(weights, rows + c, stride, count, out + c);
  }
  for (; width - c >= kLanes<T>; c += kLanes<T>) {
    add_registers<T, 1>(weights, rows + c, stride, count, out + c);
  }
  for (; c < width; ++c) {
    for (std::int64_t i = 0; i < count; ++i) out[c] += weights[i] * rows[i * stride + c];
  }
}

/// One softmax over all keys that come, tile by tile; its sum is put right whenever the largest
/// score grows (Milakov & Gimelshein 2018).
template <typename T>
class TokenSoftmax {
 public:
  TokenSoftmax(const CachedHead<T>& head, const T* query, T* out)
      : head_(head), query_(query), out_(out) {
    clear(out, head.value_width);
  }

  void add(const T* rows, std::int64_t stride, std::int64_t count) {
    for (std::int64_t first = 0; first < count; first += kTile) {
      add_tile(rows + first * stride, stride, count - first);
    }
    keys_ += count;
  }

  void finish() const {
    if (keys_ == 0) return;
    for (std::int64_t c = 0; c < head_.value_width; ++c) out_[c] /= sum_;
  }

 private:
  static constexpr std::int64_t kTile = 32;  // rows that stay in the first level of cache

  /// The first kTile of `ahead` rows.
  void add_tile(const T* rows, std::int64_t stride, std::int64_t ahead) {
    const std::int64_t count = smaller(kTile, ahead);
    const T highest = score(rows, stride, ahead);
    if (highest > maximum_) rescale(highest);
    Values<T> total = {};
    for (std::int64_t i = 0; i < count; i += kLanes<T>) {
      const Values<T> weight = exponential<T>(load(weights_ + i) - maximum_);
      store(weights_ + i, weight);
      total += weight;
    }
    sum_ += sum_of<T>(total);
    add_rows(weights_, rows + head_.query_width, stride, count, head_.value_width, out_);
  }

  /// Fills weights_ with the scores of a tile, to whole registers; those of no key are -inf.
  /// Returns the largest.
  T score(const T* rows, std::int64_t stride, std::int64_t ahead) {
    Values<T> highest = Values<T>{} - kInfinity<T>;
    for (std::int64_t i = 0; i < smaller(kTile, ahead); i += kLanes<T>) {
      const std::int64_t rest = ahead - i;
      fetch(rows + (i + kLanes<T>)*stride, stride, smaller(kLanes<T>, rest - kLanes<T>));
      Values<T> scores =
          head_.scale * dot_products(query_, rows + i * stride, stride, rest, head_.query_width);
      for (auto lane = static_cast<int>(smaller(kLanes<T>, rest)); lane < kLanes<T>; ++lane) {
        scores[lane] = -kInfinity<T>;
      }
      store(weights_ + i, scores);
      highest = scores > highest ? scores : highest;
    }
    T largest = highest[0];
    for (int lane = 1; lane < kLanes<T>; ++lane) {
      largest = highest[lane] > largest ? highest[lane] : largest;
    }
    return largest;
  }

  /// Asks for rows that come next: the processor foresees whole keys or whole values, not both.
  void fetch(const T* rows, std::int64_t stride, std::int64_t count) const {
    constexpr std::int64_t kLine = 64 / sizeof(T);
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t c = 0; c < head_.query_width + head_.value_width; c += kLine) {
        __builtin_prefetch(rows + i * stride + c);
      }
    }
  }

  void rescale(T highest) {
    const T factor = exponential<T>(Values<T>{} + (maximum_ - highest))[0];
    for (std::int64_t c = 0; c < head_.value_width; ++c) out_[c] *= factor;
    sum_ *= factor;
    maximum_ = highest;
  }

  const CachedHead<T>& head_;
  const T* query_;
  T* out_;
  std::int64_t keys_ = 0;
  T maximum_ = -kInfinity<T>;
  T sum_ = T(0);
  T weights_[kTile];
};

template <typename T>
void attend(const CachedHead<T>& head, std::int64_t sequence, const T* query, T* out) {
  TokenSoftmax<T> softmax(head, query, out);
  for (std::int64_t r = 0; r < head.run_count; ++r) {
    const CachedRun<T>& run = head.runs[r];
    softmax.add(run.rows + sequence * run.sequence_stride, run.stride, run.count);
  }
  softmax.finish();
}

template <typename T>
constexpr TokenKernels<T> kTokenKernels = {multiply_packed<T>, attend<T>};

}  // namespace
}  // namespace sparse_transformer
