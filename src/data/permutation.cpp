#include "data/permutation.h"

#include <bit>
#include <stdexcept>
#include <string>

#include "data/mix.h"

namespace sparse_transformer {

namespace {

// Four rounds are a permutation no cheap test tells from random; halves of few bits want more.
constexpr std::uint64_t kRounds = 8;

}  // namespace

Permutation::Permutation(std::int64_t size, std::uint64_t key)
    : size_(static_cast<std::uint64_t>(size)), key_(key) {
  if (size < 1 || size > (std::int64_t{1} << 62)) {
    throw std::logic_error("a permutation of " + std::to_string(size) + " elements");
  }
  half_bits_ = (static_cast<int>(std::bit_width(size_ - 1)) + 1) / 2;
}

std::int64_t Permutation::operator()(std::int64_t index) const {
  auto value = static_cast<std::uint64_t>(index);
  if (value >= size_) {
    throw std::logic_error("element " + std::to_string(index) + " of a permutation of " +
                           std::to_string(size_));
  }
  do {
    value = encrypt(value);
  } while (value >= size_);
  return static_cast<std::int64_t>(value);
}

std::uint64_t Permutation::encrypt(std::uint64_t value) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t left = value >> half_bits_;
  std::uint64_t right = value & mask;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    const std::uint64_t next = left ^ (mix(mix(key_, round), right) & mask);
    left = right;
    right = next;
  }
  return (left << half_bits_) | right;
}

}  // namespace sparse_transformer
