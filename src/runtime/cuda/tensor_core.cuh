// Products of half-precision matrices on tensor cores, by instructions of a whole warp (PTX ISA;
// compute capability 8.0 and later).
#pragma once

#include <cstdint>

#include "runtime/half.h"

namespace sparse_transformer {

/// A matrix [rows, kWidth] in shared memory. 16 bytes between rows put the 8 rows that ldmatrix
/// reads at once into different banks.
template <int kWidth>
struct SharedTile {
  static constexpr int kStride = kWidth + 8;
  static constexpr int size(int rows) { return rows * kStride; }
};

/// Four 8 × 8 matrices of shared memory into the fragments of a warp: lane t names row t % 8 of
/// matrix t / 8, and gets of matrix m in fragment[m] the columns 2·(t % 4) and the next of row
/// t / 4 (ldmatrix.m8n8.x4).
__device__ __forceinline__ void load_matrices(const std::uint16_t* row,
                                              std::uint32_t (&fragment)[4]) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
               : "r"(address)
               : "memory");
}

/// The same of transposed matrices: lane t gets the rows 2·(t % 4) and the next of column t / 4.
__device__ __forceinline__ void load_matrices_transposed(const std::uint16_t* row,
                                                         std::uint32_t (&fragment)[4]) {
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
               : "r"(address)
               : "memory");
}

/// d [16, 8] += a [16, 16] · b [16, 8], as "Matrix Fragments for mma.m16n8k16 with floating point
/// type" lays them out. With g = t / 4 and c = 2·(t % 4), lane t has of a the rows g, g + 8, g,
/// g + 8 at the columns c, c, c + 8, c + 8 (each with the next column); of b column g at the rows c
/// and c + 8 (each with the next row); of d columns c and c + 1 of row g, then of row g + 8.
template <HalfType kType>
__device__ __forceinline__ void mma(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b_low,
                                    std::uint32_t b_high) {
  if constexpr (kType == HalfType::kBfloat16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b_low), "r"(b_high));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b_low), "r"(b_high));
  }
}

/// Row and column, within [16, 8], of a lane's element e of d.
__device__ __forceinline__ int mma_row(int lane, int e) { return lane / 4 + e / 2 * 8; }
__device__ __forceinline__ int mma_column(int lane, int e) { return lane % 4 * 2 + e % 2; }

/// Transposes 4 × 4 words between the four lanes that share a row of d: lane c gets in x[i] what
/// lane i had in x[c]. So pairs of 4 neighbouring tiles become 16 bytes of memory, and back.
__device__ __forceinline__ void transpose_quad(std::uint32_t (&x)[4]) {
  const auto lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
  for (int bit = 1; bit < 4; bit *= 2) {
    const bool upper = (lane & bit) != 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if ((i & bit) != 0) continue;
      const std::uint32_t theirs = __shfl_xor_sync(0xffffffffu, upper ? x[i] : x[i | bit], bit);
      if (upper) {
        x[i] = theirs;
      } else {
        x[i | bit] = theirs;
      }
    }
  }
}

}  // namespace sparse_transformer
