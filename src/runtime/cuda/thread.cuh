// A thread of a CUDA block, as templates of kernels see it: tensor cores, copies into
// shared memory that run beside the work, and exchange within a warp. Section names are of NVIDIA's
// PTX ISA 8.7. For compute capability 8.0 and later.
#pragma once

#include <cstdint>

#include "runtime/cuda/device_code.h"

namespace sparse_transformer {

class CudaThread {
 public:
  __device__ int index() const { return static_cast<int>(threadIdx.x); }
  __device__ int count() const { return static_cast<int>(blockDim.x); }
  __device__ int lane() const { return static_cast<int>(threadIdx.x % 32); }

  /// Waits for all threads of the block.
  __device__ void synchronize() const { __syncthreads(); }

  /// Begins to copy 4 or 16 bytes from global to shared memory, zeros where not `present`
  /// (cp.async). `wait_for_copies<k>` waits for all but the last k groups, which end with
  /// `commit_copies`.
  template <int kBytes>
  __device__ void copy_async(void* to, const void* from, bool present) const {
    const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    const int size = present ? kBytes : 0;
    if constexpr (kBytes == 16) {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
                   "r"(size)
                   : "memory");
    } else {
      asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(address), "l"(from),
                   "r"(size)
                   : "memory");
    }
  }
  __device__ void commit_copies() const { asm volatile("cp.async.commit_group;" ::: "memory"); }
  template <int kGroups>
  __device__ void wait_for_copies() const {
    asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
  }

  /// Four 8 × 8 matrices of shared memory into the fragments of a warp: thread t names row t % 8 of
  /// matrix t / 8, and gets of matrix m in fragment[m] the columns 2·(t % 4) and the next of row
  /// t / 4 (ldmatrix.m8n8.x4). Transposed: the rows 2·(t % 4) and the next of column t / 4.
  __device__ void load_matrices(const std::uint16_t* row, std::uint32_t (&fragment)[4]) const {
    const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                 : "r"(address)
                 : "memory");
  }
  __device__ void load_matrices_transposed(const std::uint16_t* row,
                                           std::uint32_t (&fragment)[4]) const {
    const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
                 : "r"(address)
                 : "memory");
  }

  /// sums [16, 8] += a [16, 16] · b [16, 8] over the warp, as "Matrix Fragments for mma.m16n8k16
  /// with floating point type" lays them out: with g = t / 4 and c = 2·(t % 4), thread t has of a
  /// the rows g, g + 8, g, g + 8 at the columns c, c, c + 8, c + 8 (each with the next column); of
  /// b column g at the rows c and c + 8 (each with the next row); of the sums columns c and c + 1
  /// of row g, then of row g + 8.
  template <HalfType kType>
  __device__ void multiply_add(float (&sums)[4], const std::uint32_t (&a)[4], std::uint32_t b_low,
                               std::uint32_t b_high) const {
    if constexpr (kType == HalfType::kBfloat16) {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
          "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b_low), "r"(b_high));
    } else {
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
          "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b_low), "r"(b_high));
    }
  }

  /// x of the thread whose number in the warp differs in these bits.
  template <typename T>
  __device__ T exchange(T x, int bits) const {
    return __shfl_xor_sync(0xffffffffu, x, bits);
  }

  /// A bit for each thread of the warp: whether it holds there.
  __device__ std::uint32_t ballot(bool holds) const { return __ballot_sync(0xffffffffu, holds); }
  /// The number of the lowest bit that is set; some bit must be.
  __device__ int lowest_bit(std::uint32_t bits) const { return __ffs(static_cast<int>(bits)) - 1; }

  /// Two numbers in one register, `low` in the lower half.
  template <HalfType kType>
  __device__ std::uint32_t pack(float low, float high) const {
    std::uint32_t pair;
    if constexpr (kType == HalfType::kBfloat16) {
      asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    } else {
      asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    }
    return pair;
  }
  template <HalfType kType>
  __device__ void unpack(std::uint32_t pair, float& low, float& high) const {
    if constexpr (kType == HalfType::kBfloat16) {
      low = __uint_as_float(pair << 16);
      high = __uint_as_float(pair & 0xffff0000u);
    } else {
      asm("{.reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h;}"
          : "=f"(low), "=f"(high)
          : "r"(pair));
    }
  }

  /// Global memory that another block may have written: eight neighbouring numbers, two in a
  /// register, or one. From the second level of cache, as the first is each multiprocessor's own.
  __device__ float read(const float* from) const { return __ldcg(from); }
  __device__ void read(const std::uint16_t* from, std::uint32_t (&pairs)[4]) const {
    const uint4 all = __ldcg(reinterpret_cast<const uint4*>(from));
    pairs[0] = all.x;
    pairs[1] = all.y;
    pairs[2] = all.z;
    pairs[3] = all.w;
  }
  __device__ void write(void* to, const std::uint32_t (&words)[4]) const {
    *static_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
  }
  /// 16 bytes of global memory that no other block writes.
  __device__ void load(const void* from, std::uint32_t (&words)[4]) const {
    const uint4 all = *static_cast<const uint4*>(from);
    words[0] = all.x;
    words[1] = all.y;
    words[2] = all.z;
    words[3] = all.w;
  }

  /// Adds 1 to a number that blocks share, after all that this block wrote before the last
  /// synchronize(), and gives what it was.
  __device__ std::int32_t count_up(std::int32_t* number) const {
    __threadfence();
    return atomicAdd(number, 1);
  }
  /// Waits until such a number is at least this. What its counters wrote can be read after the next
  /// synchronize().
  __device__ void wait_until(const std::int32_t* number, std::int32_t least) const {
    std::int32_t now;
    while (true) {
      asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(now) : "l"(number) : "memory");
      if (now >= least) break;
      __nanosleep(100);
    }
    __threadfence();
  }

  /// To some two units in the last place, 0 instead of what is too small for a normal number.
  __device__ float exp2(float x) const {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
  __device__ float log2(float x) const { return log2f(x); }
  /// To a unit in the last place, 0 instead of what is too small for a normal number.
  __device__ float reciprocal(float x) const {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
  __device__ double exp(double x) const { return ::exp(x); }
  __device__ float reciprocal_root(float x) const { return 1.0f / sqrtf(x); }
};

}  // namespace sparse_transformer
