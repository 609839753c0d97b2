// Kernels that are compiled once for each instruction set: which of them this processor can run,
// and in which numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <type_traits>
#include <vector>

#include "runtime/half.h"

namespace sparse_transformer {

/// Those of the sets that this processor can run, the fastest first; never empty. Other processors
/// than x86-64 run the baseline alone, compiled for them.
template <typename Set>
std::vector<const Set*> runnable(const Set& baseline, [[maybe_unused]] const Set& avx2,
                                 [[maybe_unused]] const Set& avx512) {
  std::vector<const Set*> sets;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) sets.push_back(&avx512);
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
    sets.push_back(&avx2);
  }
#endif
  sets.push_back(&baseline);
  return sets;
}

/// A set's kernels for numbers of type T.
template <typename T, typename Set>
const auto& kernels_of(const Set& set) {
  if constexpr (std::is_same_v<T, double>) {
    return set.float64;
  } else if constexpr (std::is_same_v<T, Bfloat16>) {
    return set.bfloat16;
  } else {
    return set.float32;
  }
}

/// Calls run(a number of the type of `x`): float or double.
template <typename Run>
void in_type_of(const at::Tensor& x, const Run& run) {
  if (x.scalar_type() == at::kDouble) {
    run(double{});
  } else {
    run(float{});
  }
}

/// Calls run(a number of the kernels' type for `x`, one of the type of its sums).
template <typename Run>
void in_types_of(const at::Tensor& x, const Run& run) {
  if (x.scalar_type() == at::kBFloat16) {
    run(Bfloat16{}, float{});
  } else {
    in_type_of(x, [&](auto number) { run(number, number); });
  }
}

}  // namespace sparse_transformer
