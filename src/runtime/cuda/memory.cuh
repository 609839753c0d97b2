// Loads, stores and copies of 16 bytes, from addresses that are multiples of 16.
#pragma once

#include <cstdint>

namespace sparse_transformer {

/// Half-precision numbers in 16 bytes.
constexpr int kHalfsIn16Bytes = 8;

__device__ __forceinline__ uint4 load_16_bytes(const void* from) {
  return *static_cast<const uint4*>(from);
}

/// For memory that another block may have written during this launch: reads the second level of
/// cache, since the first is each multiprocessor's own.
__device__ __forceinline__ uint4 load_16_bytes_coherent(const void* from) {
  return __ldcg(static_cast<const uint4*>(from));
}

/// To global memory. C++ would let the compiler split it into four, and __stwb makes a strong store
/// (STG.E.128.STRONG.SM).
__device__ __forceinline__ void store_16_bytes(void* to, uint4 words) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(to), "r"(words.x), "r"(words.y),
               "r"(words.z), "r"(words.w)
               : "memory");
}

/// Begins to copy kBytes (4 or 16) from global to shared memory, zeros where not `present`
/// (cp.async). The address must be valid in any case.
template <int kBytes>
__device__ __forceinline__ void copy_async(void* to, const void* from, bool present) {
  static_assert(kBytes == 4 || kBytes == 16);
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int size = present ? kBytes : 0;
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
                 "r"(size)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(from), "r"(size)
                 : "memory");
  }
}

/// Ends a group of copies.
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/// Waits for all but the last kGroups groups of this thread's copies.
template <int kGroups>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

}  // namespace sparse_transformer
