// A shuffled order that needs no memory.
#pragma once

#include <cstdint>

namespace sparse_transformer {

/// A bijection of [0, size) chosen by a key: a Feistel network over the smallest square power of
/// two that holds `size`, walked along its cycle until it lands inside (at most 4 steps expected).
/// Black and Rogaway, "Ciphers with arbitrary finite domains", 2002.
class Permutation {
 public:
  /// `size` is 1 … 2^62.
  Permutation(std::int64_t size, std::uint64_t key);
  std::int64_t operator()(std::int64_t index) const;

 private:
  std::uint64_t encrypt(std::uint64_t value) const;

  std::uint64_t size_, key_;
  int half_bits_;
};

}  // namespace sparse_transformer
