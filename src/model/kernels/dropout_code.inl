// Dropout's mask (RowMask of rows.h) in registers, under the rules of
// attention/kernels/registers.inl.
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "attention/kernels/registers.inl"
#include "model/kernels/rows.h"

namespace sparse_transformer {
namespace {

/// As many blocks of Philox as a register has lanes of 64 bits; of a word the lower half counts.
using Words = std::uint64_t __attribute__((vector_size(SPARSE_TRANSFORMER_VECTOR_BYTES)));
constexpr std::int64_t kBlocks = SPARSE_TRANSFORMER_VECTOR_BYTES / sizeof(std::uint64_t);
constexpr std::int64_t kBlockWords = 4;
#if SPARSE_TRANSFORMER_VECTOR_BYTES == 64
constexpr Words kNumbers = {0, 1, 2, 3, 4, 5, 6, 7};
#elif SPARSE_TRANSFORMER_VECTOR_BYTES == 32
constexpr Words kNumbers = {0, 1, 2, 3};
#else
constexpr Words kNumbers = {0, 1};
#endif

/// The products of the lower halves: one instruction, which GCC 12 does not find by itself.
inline Words multiply_lower(Words a, Words b) {
#if defined(__x86_64__) && SPARSE_TRANSFORMER_VECTOR_BYTES == 64
  return reinterpret_cast<Words>(
      _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__x86_64__) && SPARSE_TRANSFORMER_VECTOR_BYTES == 32
  return reinterpret_cast<Words>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__x86_64__)
  return reinterpret_cast<Words>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xffffffffU) * (b & 0xffffffffU);
#endif
}

inline std::uint32_t step_of(const RowMask& mask) {
  return mask.step_in_memory == nullptr ? mask.step
                                        : static_cast<std::uint32_t>(*mask.step_in_memory);
}

/// philox_words of runtime/philox.h for kBlocks blocks of a sequence from `block`, in their order.
inline void draw_words(const RowMask& mask, std::int64_t sequence, std::int64_t block,
                       std::uint32_t* to) {
  const Words multiplier0 = Words{} + 0xD2511F53, multiplier1 = Words{} + 0xCD9E8D57;
  auto key0 = static_cast<std::uint32_t>(mask.seed);
  auto key1 = static_cast<std::uint32_t>(mask.seed >> 32);
  // In registers: numbers put together in memory would wait there for the blocks before.
  Words word0 = kNumbers + static_cast<std::uint64_t>(block);
  Words word1 = Words{} + step_of(mask);
  Words word2 = Words{} + static_cast<std::uint32_t>(mask.first_sequence + sequence);
  Words word3 = Words{} + mask.site;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const Words product0 = multiply_lower(word0, multiplier0);
    const Words product1 = multiply_lower(word2, multiplier1);
    word0 = (product1 >> 32) ^ word1 ^ (Words{} + key0);
    word1 = product1;
    word2 = (product0 >> 32) ^ word3 ^ (Words{} + key1);
    word3 = product0;
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  const Words first = (word0 & 0xffffffffU) | word1 << 32;
  const Words second = (word2 & 0xffffffffU) | word3 << 32;
  Words low = {}, high = {};
  for (std::int64_t i = 0; i < kBlocks; i += 2) {
    low[i] = first[i / 2];
    low[i + 1] = second[i / 2];
    high[i] = first[(kBlocks + i) / 2];
    high[i + 1] = second[(kBlocks + i) / 2];
  }
  __builtin_memcpy(to, &low, sizeof(low));
  __builtin_memcpy(to + 2 * kBlocks, &high, sizeof(high));
}

/// Elements whose factors are formed at a time.
constexpr std::int64_t kMaskElements = 256;

/// The factors of `count` elements, at most kMaskElements, of a sequence from `first`.
template <typename T>
inline void form_factors(const RowMask& mask, std::int64_t sequence, std::int64_t first,
                         std::int64_t count, T* factors) {
  std::uint32_t words[kMaskElements + (kBlocks + 1) * kBlockWords];
  const std::int64_t block = first / kBlockWords;
  const std::int64_t skipped = first % kBlockWords;
  for (std::int64_t at = 0; at < skipped + count; at += kBlocks * kBlockWords) {
    draw_words(mask, sequence, block + at / kBlockWords, words + at);
  }
  const T factor = static_cast<T>(mask.factor);
  for (std::int64_t i = 0; i < count; ++i) {
    factors[i] = words[skipped + i] >= mask.threshold ? factor : T(0);
  }
}

}  // namespace
}  // namespace sparse_transformer
