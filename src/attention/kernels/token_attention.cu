// The attention of one token of every sequence, on the GPU. A block has a head of a sequence: it
// keeps the head's new row, then attends from its query to the rows that its table entry names, in
// float32. Some lanes of a warp have a row together, 16 bytes each, and meet the rows in turn under
// a softmax of their own (Milakov & Gimelshein 2018, arXiv:1805.02867); the softmaxes are merged in
// a fixed order at the end.
#include <cuda_runtime.h>

#include <cstring>

#include "attention/kernels/token_attention.h"
#include "runtime/cuda/half.cuh"
#include "runtime/cuda/math.cuh"
#include "runtime/cuda/memory.cuh"
#include "runtime/cuda/warp.cuh"

namespace sparse_transformer {
namespace {

constexpr int kWarps = 8, kThreads = 32 * kWarps;
constexpr int kPiece = 16;    // bytes that a lane has of a row
constexpr int kPrefetch = 4;  // rows that are on their way while one waits for memory
constexpr float kMinusInfinity = -__builtin_huge_valf();

template <CacheType kType>
constexpr HalfType kHalfOf =
    kType == CacheType::kBfloat16 ? HalfType::kBfloat16 : HalfType::kFloat16;

/// The numbers of a piece.
template <CacheType kType>
struct Piece {
  static constexpr int kCount = kType == CacheType::kFloat32 ? 4 : 8;

  __device__ static void unpack(uint4 words, float (&x)[kCount]) {
    if constexpr (kType == CacheType::kFloat32) {
      memcpy(x, &words, sizeof(words));
    } else {
      unpack_halfs<kHalfOf<kType>>(words, x);
    }
  }
  __device__ static uint4 pack(const float (&x)[kCount]) {
    if constexpr (kType == CacheType::kFloat32) {
      uint4 words;
      memcpy(&words, x, sizeof(words));
      return words;
    } else {
      return pack_halfs<kHalfOf<kType>>(x);
    }
  }
};

/// exp2(score - max), 0 where both are -inf. NaN stays NaN.
__device__ float weight_of(float score, float max) {
  return score == kMinusInfinity ? 0.0f : fast_exp2(score - max);
}

/// Softmax over some of the keys of a query, with a lane's piece of the values. Scores are to the
/// base of 2.
template <int kCount>
struct Softmax {
  float max = kMinusInfinity;
  float sum = 0.0f;
  float values[kCount] = {};

  __device__ void raise(float new_max) {
    const float factor = weight_of(max, new_max);
    sum *= factor;
    for (int i = 0; i < kCount; ++i) values[i] *= factor;
    max = new_max;
  }
  __device__ void add(float its_max, float its_sum, const float (&its_values)[kCount]) {
    if (its_max > max) raise(its_max);
    const float factor = weight_of(its_max, max);
    sum += factor * its_sum;
    for (int i = 0; i < kCount; ++i) values[i] += factor * its_values[i];
  }
};

/// What a warp leaves for the merge.
struct WarpSoftmax {
  float max, sum;
  float values[kMostTokenWidth];
};

/// Where a block's head lies.
template <CacheType kType>
struct Head {
  int query_pieces, value_pieces, row_pieces;
  std::int64_t entry;
  char* rows;
  const char* packed;

  __device__ explicit Head(const TokenAttentionParams& params)
      : query_pieces(params.query_width / Piece<kType>::kCount),
        value_pieces(params.value_width / Piece<kType>::kCount),
        row_pieces(query_pieces + value_pieces) {
    const std::int64_t sequence = blockIdx.x / params.heads, head = blockIdx.x % params.heads;
    const std::int64_t set = params.head_places[2 * head];
    const std::int64_t first_row = params.head_places[2 * head + 1];
    entry = (*params.position * params.sets + set) * (params.places + 3 * params.runs);
    rows = static_cast<char*>(params.memory) +
           (sequence * params.layer_rows + first_row) * row_pieces * kPiece;
    packed = static_cast<const char*>(params.packed) +
             std::int64_t{blockIdx.x} * (row_pieces + query_pieces) * kPiece;
  }

  __device__ char* piece(std::int64_t row, int number) const {
    return rows + (row * row_pieces + number) * kPiece;
  }
};

/// Copies the new key and value to each of their places.
template <CacheType kType>
__device__ void keep_row(const Head<kType>& head, const std::int32_t* places, int count) {
  for (int i = static_cast<int>(threadIdx.x); i < count * head.row_pieces; i += kThreads) {
    const std::int32_t place = places[i / head.row_pieces];
    if (place < 0) continue;
    const int piece = i % head.row_pieces;
    store_16_bytes(head.piece(place, piece),
                   load_16_bytes(head.packed + (head.query_pieces + piece) * kPiece));
  }
}

/// Returns the row of key i of the runs, or -1 after the last.
__device__ std::int64_t row_of(const std::int32_t* runs, int count, std::int64_t i) {
  for (int r = 0; r < count; ++r, runs += 3) {
    if (i < runs[2]) return runs[0] + i * runs[1];
    i -= runs[2];
  }
  return -1;
}

/// Returns how many lanes share a row of `pieces` pieces: a power of two.
__device__ int lanes_a_row(int pieces) {
  int lanes = 1;
  while (lanes < pieces) lanes *= 2;
  return lanes;
}

/// Attends to the keys of the runs. Of g groups of lanes each takes every g-th key.
template <CacheType kType>
__device__ Softmax<Piece<kType>::kCount> attend_to_runs(const Head<kType>& head, float scale,
                                                        int lanes, const std::int32_t* runs,
                                                        int run_count) {
  constexpr int kCount = Piece<kType>::kCount;
  const int piece = static_cast<int>(threadIdx.x) % lanes;
  const int group = static_cast<int>(threadIdx.x) / lanes, groups = kThreads / lanes;
  const bool has_key = piece < head.query_pieces;
  const bool has_value = piece < head.value_pieces;
  const uint4 zeros = {0, 0, 0, 0};
  float query[kCount];
  Piece<kType>::unpack(has_key ? load_16_bytes(head.packed + piece * kPiece) : zeros, query);

  std::int64_t keys = 0;
  for (int r = 0; r < run_count; ++r) keys += runs[3 * r + 2];
  Softmax<kCount> softmax;
  for (std::int64_t first = 0; first < keys; first += groups * kPrefetch) {
    uint4 key[kPrefetch], value[kPrefetch];
    bool is_there[kPrefetch];
#pragma unroll
    for (int k = 0; k < kPrefetch; ++k) {
      const std::int64_t row = row_of(runs, run_count, first + k * groups + group);
      is_there[k] = row >= 0;
      key[k] = is_there[k] && has_key ? load_16_bytes_coherent(head.piece(row, piece)) : zeros;
      value[k] = is_there[k] && has_value
                     ? load_16_bytes_coherent(head.piece(row, head.query_pieces + piece))
                     : zeros;
    }
#pragma unroll
    for (int k = 0; k < kPrefetch; ++k) {
      float numbers[kCount];
      Piece<kType>::unpack(key[k], numbers);
      float score = 0.0f;
      for (int i = 0; i < kCount; ++i) score += query[i] * numbers[i];
      for (int bits = lanes / 2; bits > 0; bits /= 2) {
        score += __shfl_xor_sync(kWholeWarp, score, bits);
      }
      Piece<kType>::unpack(value[k], numbers);
      if (is_there[k]) softmax.add(scale * score, 1.0f, numbers);
    }
  }
  return softmax;
}

/// Merges the softmaxes of the lanes of a warp that have the same piece, into the first of them.
template <int kCount>
__device__ void merge_warp(int lanes, Softmax<kCount>& softmax) {
  for (int bits = 16; bits >= lanes; bits /= 2) {
    const float max = __shfl_xor_sync(kWholeWarp, softmax.max, bits);
    const float sum = __shfl_xor_sync(kWholeWarp, softmax.sum, bits);
    float values[kCount];
    for (int i = 0; i < kCount; ++i) {
      values[i] = __shfl_xor_sync(kWholeWarp, softmax.values[i], bits);
    }
    softmax.add(max, sum, values);
  }
}

/// Merges the softmaxes of the warps, in their order, and writes the output.
template <CacheType kType>
__device__ void merge_block(int lanes, int value_pieces,
                            const Softmax<Piece<kType>::kCount>& softmax, WarpSoftmax* of_warps,
                            char* out) {
  constexpr int kCount = Piece<kType>::kCount;
  const auto thread = static_cast<int>(threadIdx.x);
  const int piece = thread % 32;
  WarpSoftmax& mine = of_warps[thread / 32];
  if (piece == 0) {
    mine.max = softmax.max;
    mine.sum = softmax.sum;
  }
  if (piece < lanes && piece < value_pieces) {
    for (int i = 0; i < kCount; ++i) mine.values[piece * kCount + i] = softmax.values[i];
  }
  __syncthreads();
  if (thread >= value_pieces) return;
  Softmax<kCount> all;
  for (int warp = 0; warp < kWarps; ++warp) {
    const WarpSoftmax& its = of_warps[warp];
    float values[kCount];
    for (int i = 0; i < kCount; ++i) values[i] = its.values[thread * kCount + i];
    all.add(its.max, its.sum, values);
  }
  for (float& value : all.values) value = all.sum == 0.0f ? 0.0f : value / all.sum;
  store_16_bytes(out + thread * kPiece, Piece<kType>::pack(all.values));
}

template <CacheType kType>
__global__ void __launch_bounds__(kThreads)
    token_attention_kernel(const TokenAttentionParams params) {
  __shared__ std::int32_t entry[kMostEntryNumbers];
  __shared__ WarpSoftmax of_warps[kWarps];
  const Head<kType> head(params);
  const auto thread = static_cast<int>(threadIdx.x);
  if (thread < params.places + 3 * params.runs) {
    entry[thread] = params.entries[head.entry + thread];
  }
  __syncthreads();
  keep_row(head, entry, params.places);
  __syncthreads();  // the new row is among those that are read
  const int lanes = lanes_a_row(max(head.query_pieces, head.value_pieces));
  auto softmax =
      attend_to_runs(head, params.scale * kLog2E, lanes, entry + params.places, params.runs);
  merge_warp(lanes, softmax);
  merge_block<kType>(
      lanes, head.value_pieces, softmax, of_warps,
      static_cast<char*>(params.out) + std::int64_t{blockIdx.x} * head.value_pieces * kPiece);
}

}  // namespace

int launch_token_attention(const TokenAttentionParams& params, CacheType type, void* stream) {
  const auto kernel = type == CacheType::kFloat32    ? token_attention_kernel<CacheType::kFloat32>
                      : type == CacheType::kBfloat16 ? token_attention_kernel<CacheType::kBfloat16>
                                                     : token_attention_kernel<CacheType::kFloat16>;
  kernel<<<static_cast<unsigned>(params.batch * params.heads), kThreads, 0,
           static_cast<cudaStream_t>(stream)>>>(params);
  return cudaGetLastError();
}

}  // namespace sparse_transformer
