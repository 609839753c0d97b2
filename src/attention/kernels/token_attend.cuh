// The attention of one token of every sequence, on the GPU: a block keeps the new row of a head of
// a sequence and attends from its query to what its table entry names, in float32. A few lanes of a
// warp have a key each, its query and value in pieces of 16 bytes, and meet the keys in turn under
// a softmax of their own (Milakov & Gimelshein 2018); what they have is merged in a fixed order at
// the end. `Thread` is CudaThread, or the tests' emulated one.
#pragma once

#include <cstring>

#include "attention/kernels/token_call.h"

namespace sparse_transformer::token_kernels {

constexpr int kMostWarps = 8;  // of a block
constexpr int kPiece = 8;      // of 16 bits: 16 bytes, what a thread reads at once
constexpr int kAhead = 4;      // keys that are on their way while one waits for memory
constexpr float kNone = -__builtin_huge_valf();

constexpr int kTotals = 2 + kMostTokenWidth;  // what a warp leaves for the merge
constexpr int kSharedBytes = 4 * (kMostEntryNumbers + kMostWarps * kTotals);

/// The numbers of a piece of 16 bytes.
template <CacheType kType>
struct Numbers {
  static constexpr int kCount = kType == CacheType::kFloat32 ? 4 : 8;
  static constexpr HalfType kHalf =
      kType == CacheType::kBfloat16 ? HalfType::kBfloat16 : HalfType::kFloat16;

  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static void unpack(const Thread& thread,
                                               const std::uint32_t (&words)[4],
                                               float (&x)[kCount]) {
    if constexpr (kType == CacheType::kFloat32) {
      std::memcpy(x, words, sizeof(words));
    } else {
      for (int i = 0; i < 4; ++i) thread.template unpack<kHalf>(words[i], x[2 * i], x[2 * i + 1]);
    }
  }
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE static void pack(const Thread& thread, const float (&x)[kCount],
                                             std::uint32_t (&words)[4]) {
    if constexpr (kType == CacheType::kFloat32) {
      std::memcpy(words, x, sizeof(words));
    } else {
      for (int i = 0; i < 4; ++i) words[i] = thread.template pack<kHalf>(x[2 * i], x[2 * i + 1]);
    }
  }
};

/// exp2(score - top), where both are -inf 0. What is not a number stays so.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE float weight_of(const Thread& thread, float score, float top) {
  return score == kNone ? 0.0f : thread.exp2(score - top);
}

/// Some of the keys of a query, under one softmax: what a few lanes have seen of it, each its piece
/// of the values. Scores are to the base of 2.
template <int kCount>
struct Softmax {
  float top = kNone;
  float sum = 0.0f;
  float values[kCount] = {};

  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE void raise(const Thread& thread, float new_top) {
    const float factor = weight_of(thread, top, new_top);
    sum *= factor;
    for (int i = 0; i < kCount; ++i) values[i] *= factor;
    top = new_top;
  }
  template <typename Thread>
  SPARSE_TRANSFORMER_DEVICE void add(const Thread& thread, float its_top, float its_sum,
                                     const float (&its_values)[kCount]) {
    if (its_top > top) raise(thread, its_top);
    const float factor = weight_of(thread, its_top, top);
    sum += factor * its_sum;
    for (int i = 0; i < kCount; ++i) values[i] += factor * its_values[i];
  }
};

/// The place of a block in its call.
struct TokenBlock {
  int query_pieces, value_pieces, row_pieces;
  std::int64_t sequence, head, entry;
  std::uint16_t* rows;  // of the head
  const std::uint16_t* packed;

  SPARSE_TRANSFORMER_DEVICE TokenBlock(const TokenCall& call, std::int64_t block, int piece)
      : query_pieces(call.query_width / piece),
        value_pieces(call.value_width / piece),
        row_pieces(query_pieces + value_pieces),
        sequence(block / call.heads),
        head(block % call.heads),
        entry((*call.position * call.sets + call.head_places[2 * head]) *
              (call.places + 3 * call.runs)),
        rows(call.memory +
             (sequence * call.layer_rows + call.head_places[2 * head + 1]) * row_pieces * kPiece),
        packed(call.packed + block * (row_pieces + query_pieces) * kPiece) {}

  /// Piece p of a row.
  SPARSE_TRANSFORMER_DEVICE std::uint16_t* row_piece(std::int64_t row, int p) const {
    return rows + (row * row_pieces + p) * kPiece;
  }
};

/// Copies the new key and value to each of their places.
template <typename Thread>
SPARSE_TRANSFORMER_DEVICE void keep_row(const Thread& thread, const TokenBlock& block,
                                        const std::int32_t* places, int count) {
  for (int i = thread.index(); i < count * block.row_pieces; i += thread.count()) {
    const std::int32_t place = places[i / block.row_pieces];
    if (place < 0) continue;
    const int piece = i % block.row_pieces;
    std::uint32_t words[4];
    thread.read(block.packed + (block.query_pieces + piece) * kPiece, words);
    thread.write(block.row_piece(place, piece), words);
  }
}

/// Row of key i of the runs, or -1 behind the last.
SPARSE_TRANSFORMER_DEVICE std::int64_t row_of(const std::int32_t* runs, int count, std::int64_t i) {
  for (int r = 0; r < count; ++r, runs += 3) {
    if (i < runs[2]) return runs[0] + i * runs[1];
    i -= runs[2];
  }
  return -1;
}

/// Lanes that share a row: a power of two, one piece of 16 bytes each.
SPARSE_TRANSFORMER_DEVICE int lanes_a_row(int pieces) {
  int lanes = 1;
  while (lanes < pieces) lanes *= 2;
  return lanes;
}

/// Attends to keys of the runs, of which the lanes of each row take every groups-th.
template <CacheType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE Softmax<Numbers<kType>::kCount> attend_to_runs(Thread& thread,
                                                                         const TokenBlock& block,
                                                                         float scale, int lanes,
                                                                         const std::int32_t* runs,
                                                                         int run_count) {
  constexpr int kCount = Numbers<kType>::kCount;
  const int piece = thread.index() % lanes;
  const int group = thread.index() / lanes;
  const int groups = thread.count() / lanes;
  const bool has_key = piece < block.query_pieces;
  const bool has_value = piece < block.value_pieces;
  std::uint32_t words[4] = {};
  float query[kCount];
  if (has_key) thread.read(block.packed + piece * kPiece, words);
  Numbers<kType>::unpack(thread, words, query);

  std::int64_t keys = 0;
  for (int r = 0; r < run_count; ++r) keys += runs[3 * r + 2];
  Softmax<kCount> softmax;
  for (std::int64_t first = 0; first < keys; first += groups * kAhead) {
    std::uint32_t key[kAhead][4] = {}, value[kAhead][4] = {};
    bool is_there[kAhead];
    SPARSE_TRANSFORMER_UNROLL
    for (int k = 0; k < kAhead; ++k) {
      const std::int64_t row = row_of(runs, run_count, first + k * groups + group);
      is_there[k] = row >= 0;
      if (is_there[k] && has_key) thread.read(block.row_piece(row, piece), key[k]);
      if (is_there[k] && has_value) {
        thread.read(block.row_piece(row, block.query_pieces + piece), value[k]);
      }
    }
    SPARSE_TRANSFORMER_UNROLL
    for (int k = 0; k < kAhead; ++k) {
      float numbers[kCount];
      Numbers<kType>::unpack(thread, key[k], numbers);
      float score = 0.0f;
      for (int i = 0; i < kCount; ++i) score += query[i] * numbers[i];
      for (int bits = lanes / 2; bits > 0; bits /= 2) score += thread.exchange(score, bits);
      Numbers<kType>::unpack(thread, value[k], numbers);
      if (is_there[k]) softmax.add(thread, scale * score, 1.0f, numbers);
    }
  }
  return softmax;
}

/// Merges what the lanes of a warp that have the same piece have seen, into the first of them.
template <int kCount, typename Thread>
SPARSE_TRANSFORMER_DEVICE void merge_warp(Thread& thread, int lanes, Softmax<kCount>& softmax) {
  for (int bits = 16; bits >= lanes; bits /= 2) {
    const float top = thread.exchange(softmax.top, bits);
    const float sum = thread.exchange(softmax.sum, bits);
    float values[kCount];
    for (int i = 0; i < kCount; ++i) values[i] = thread.exchange(softmax.values[i], bits);
    softmax.add(thread, top, sum, values);
  }
}

/// Merges what the warps have seen, in their order, and writes the output; a head without any key
/// yields 0. totals: [warps, kTotals] of shared memory.
template <CacheType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void merge_block(Thread& thread, int lanes, int value_pieces,
                                           const Softmax<Numbers<kType>::kCount>& softmax,
                                           float* totals, std::uint16_t* out) {
  constexpr int kCount = Numbers<kType>::kCount;
  float* mine = totals + thread.index() / 32 * kTotals;
  const int piece = thread.lane();
  if (piece == 0) {
    mine[0] = softmax.top;
    mine[1] = softmax.sum;
  }
  if (piece < lanes && piece < value_pieces) {
    for (int i = 0; i < kCount; ++i) mine[2 + piece * kCount + i] = softmax.values[i];
  }
  thread.synchronize();
  if (thread.index() >= value_pieces) return;
  Softmax<kCount> all;
  for (int warp = 0; warp < thread.count() / 32; ++warp) {
    const float* its = totals + warp * kTotals;
    float values[kCount];
    for (int i = 0; i < kCount; ++i) values[i] = its[2 + thread.index() * kCount + i];
    all.add(thread, its[0], its[1], values);
  }
  for (float& value : all.values) value = all.sum == 0.0f ? 0.0f : value / all.sum;
  std::uint32_t words[4];
  Numbers<kType>::pack(thread, all.values, words);
  thread.write(out + thread.index() * kPiece, words);
}

/// Block `number` of batch · heads.
template <CacheType kType, typename Thread>
SPARSE_TRANSFORMER_DEVICE void attend(Thread& thread, std::int64_t number, const TokenCall& call,
                                      std::uint16_t* shared) {
  constexpr float kLog2E = 1.44269504f;
  const TokenBlock block(call, number, Numbers<kType>::kCount);
  auto* entry = reinterpret_cast<std::int32_t*>(shared);
  if (thread.index() < call.places + 3 * call.runs) {
    entry[thread.index()] = call.entries[block.entry + thread.index()];
  }
  thread.synchronize();
  keep_row(thread, block, entry, call.places);
  thread.synchronize();  // the new row is among those that are read
  const int widest =
      block.query_pieces > block.value_pieces ? block.query_pieces : block.value_pieces;
  const int lanes = lanes_a_row(widest);
  auto softmax = attend_to_runs<kType>(thread, block, call.scale * kLog2E, lanes,
                                       entry + call.places, call.runs);
  merge_warp(thread, lanes, softmax);
  merge_block<kType>(thread, lanes, block.value_pieces, softmax,
                     reinterpret_cast<float*>(entry + kMostEntryNumbers),
                     call.out + number * block.value_pieces * kPiece);
}

}  // namespace sparse_transformer::token_kernels
