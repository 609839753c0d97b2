// Pairs of bfloat16 as operands: a processor with AVX512_BF16 multiplies the numbers of two pairs
// and adds both products to a float, in one instruction of as many lanes as one of float32 has. The
// rules of registers.inl hold here.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "attention/kernels/tiles_meeting.inl"

namespace sparse_transformer {
namespace {

struct Bfloat16Pair {
  Bfloat16 first, second;
};

template <>
struct Register<Bfloat16Pair> {
  using Values = Bits;
};

inline Values<Bfloat16Pair> pairs(HalfBits first, HalfBits second) {
  return __builtin_convertvector(first, Bits) | (__builtin_convertvector(second, Bits) << 16);
}

/// sum + the products of both numbers.
inline Values<float> multiply_add(Bfloat16Pair left, Values<Bfloat16Pair> right,
                                  Values<float> sum) {
  const Bits lefts = Bits{} + __builtin_bit_cast(std::uint32_t, left);
  return __builtin_bit_cast(Values<float>, _mm512_dpbf16_ps(__builtin_bit_cast(__m512, sum),
                                                            __builtin_bit_cast(__m512bh, lefts),
                                                            __builtin_bit_cast(__m512bh, right)));
}
inline float multiply_add(Bfloat16Pair left, Bfloat16Pair right, float sum) {
  return sum + number(left.first) * number(right.first) +
         number(left.second) * number(right.second);
}

/// The numbers of pairs one after the other.
inline Bfloat16* numbers_in(Bfloat16Pair* pairs) {
  void* const first = pairs;
  return static_cast<Bfloat16*>(first);
}

inline void copy_numbers(const Bfloat16* from, std::int64_t count, Bfloat16Pair* to) {
  constexpr std::int64_t kCount = kLanes<Bfloat16Pair>;
  for (std::int64_t c = 0; c < count; c += 2 * kCount) {
    const auto some = load_first<Bits>(from + c, count - c);
    store_some(to + c / 2, some, units<Bfloat16Pair>(count - c));
  }
}

/// stacked[c of row pair i / 2] = rows i and i + 1 of column c; 0 for the row after the last.
inline void stack_pairs(Bfloat16Pair* rows, std::int64_t count, std::int64_t width,
                        Bfloat16Pair* stacked) {
  const std::int64_t stride = 2 * units<Bfloat16Pair>(width);
  for (std::int64_t i = 0; i < count; i += 2) {
    const Bfloat16* const row = numbers_in(rows) + i * stride;
    for (std::int64_t c = 0; c < width; c += kLanes<Bfloat16Pair>) {
      const auto first = load_first<HalfBits>(row + c, width - c);
      const auto second =
          i + 1 < count ? load_first<HalfBits>(row + stride + c, width - c) : HalfBits{};
      store_some(stacked + i / 2 * width + c, pairs(first, second), width - c);
    }
  }
}

/// packed[key / 2, query]: [kTileKeys / 2, kBlockQueries].
inline const Bfloat16Pair* pairs_of_keys(const Meeting& meeting, const float* weights,
                                         Bfloat16Pair* packed) {
  for (std::int64_t key = 0; key < meeting.keys; key += 2) {
    const float* const row = weights + key * kBlockQueries;
    for (std::int64_t query = 0; query < meeting.queries; query += kLanes<float>) {
      const HalfBits second =
          key + 1 < meeting.keys ? rounded(load(row + kBlockQueries + query)) : HalfBits{};
      store(packed + key / 2 * kBlockQueries + query, pairs(rounded(load(row + query)), second));
    }
  }
  return packed;
}

/// packed[key, query / 2]: [kTileKeys, kBlockQueries / 2].
inline const Bfloat16Pair* pairs_of_queries(const Meeting& meeting, const float* weights,
                                            Bfloat16Pair* packed) {
  for (std::int64_t key = 0; key < meeting.keys; ++key) {
    for (std::int64_t query = 0; query < meeting.queries; query += kLanes<float>) {
      const std::int64_t at = key * kBlockQueries + query;
      store_some(numbers_in(packed) + at, load(weights + at), kLanes<float>);
    }
  }
  return packed;
}

}  // namespace
}  // namespace sparse_transformer
