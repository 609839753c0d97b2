#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "attention/kernels/banded_fused.h"
#include "attention/kernels/instructions.h"
#include "attention/kernels/tiles.h"
#include "runtime/numbers.h"

namespace sparse_transformer {
namespace {

/// Of a [batch, length, heads, width] tensor, or one without the width.
template <typename Number>
HeadRows<const Number> head_rows(const at::Tensor& x, std::int64_t sequence, std::int64_t head) {
  return {numbers_of<Number>(x) + sequence * x.stride(0) + head * x.stride(2), x.stride(1)};
}
template <typename T>
HeadRows<T> mutable_head_rows(const at::Tensor& x, std::int64_t sequence, std::int64_t head) {
  return {x.data_ptr<T>() + sequence * x.stride(0) + head * x.stride(2), x.stride(1)};
}

template <typename T>
void clear_rows(HeadRows<T> rows, std::int64_t begin, std::int64_t end, std::int64_t width) {
  for (std::int64_t i = begin; i < end; ++i) std::fill_n(rows.data + i * rows.stride, width, T(0));
}

/// The attention of all heads of all sequences, of numbers of type Number with sums of type T.
template <typename Number, typename T>
class BandedCpu {
 public:
  BandedCpu(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, BandMask mask,
            double scale, const InstructionSet& instructions)
      : query_(query),
        key_(key),
        value_(value),
        // Bounds beyond both lengths, made small enough to be added to positions.
        left_(std::clamp(mask.left, -query.size(1) - key.size(1), query.size(1) + key.size(1))),
        right_(std::clamp(mask.right, -query.size(1) - key.size(1), query.size(1) + key.size(1))),
        scale_(static_cast<T>(scale)),
        tiles_(kernels_of<Number>(instructions)) {}

  void forward(const BandedOutput& sum, Share share) const {
    const at::Tensor scratch = make_scratch();
    const std::int64_t rounds = (query_.size(1) + kRoundQueries - 1) / kRoundQueries;
    at::parallel_for(0, heads() * rounds, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const auto [sequence, number] = place(task / rounds);
        const std::int64_t first = task % rounds * kRoundQueries;
        tiles_.forward(head(sequence, number),
                       {.out = mutable_head_rows<T>(sum.out, sequence, number),
                        .lse = mutable_head_rows<T>(sum.lse, sequence, number),
                        .is_begun = share == Share::kFurther},
                       first, std::min(first + kRoundQueries, query_.size(1)),
                       own_scratch(scratch));
      }
    });
  }

  /// Long sequences are cut into stretches of queries, so that there is work for all cores even
  /// with one head. Neighbours add to the same keys, which is why every other stretch comes first;
  /// the order of the sums is always the same.
  void backward(const at::Tensor& d_out, const at::Tensor& out, const at::Tensor& lse,
                const BandedGradients& sum, Share share) const {
    const at::Tensor scratch = make_scratch();
    const std::int64_t length = stretch();
    const std::int64_t stretches = (query_.size(1) + length - 1) / length;
    for (const std::int64_t parity : {0, 1}) {
      const std::int64_t tasks = (stretches + 1 - parity) / 2;
      at::parallel_for(0, heads() * tasks, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t task = begin; task < end; ++task) {
          const auto [sequence, number] = place(task / tasks);
          const std::int64_t first = (task % tasks * 2 + parity) * length;
          const std::int64_t after = std::min(first + length, query_.size(1));
          BandedHeadGradients<T> gradients = {
              .d_query = mutable_head_rows<T>(sum.d_query, sequence, number),
              .d_key = mutable_head_rows<T>(sum.d_key, sequence, number),
              .d_value = mutable_head_rows<T>(sum.d_value, sequence, number),
              .queries_are_new = share == Share::kFirst,
              .first_new_key = key_.size(1)};
          const bool meets_new_keys = share == Share::kFirst && parity == 0;
          if (meets_new_keys) clear_unmet(gradients, first, after);
          const BandedHeadResult<Number, T> result = {
              .d_out = head_rows<Number>(d_out, sequence, number),
              .out = head_rows<Number>(out, sequence, number),
              .lse = head_rows<T>(lse, sequence, number)};
          for (std::int64_t round = first; round < after; round += kRoundQueries) {
            if (meets_new_keys) gradients.first_new_key = round == first ? 0 : round + right_;
            tiles_.backward(head(sequence, number), result, gradients, round,
                            std::min(round + kRoundQueries, after), own_scratch(scratch));
          }
        }
      });
    }
  }

 private:
  struct Place {
    std::int64_t sequence, number;
  };
  std::int64_t heads() const { return query_.size(0) * query_.size(2); }
  Place place(std::int64_t head) const { return {head / query_.size(2), head % query_.size(2)}; }

  BandedHead<Number, T> head(std::int64_t sequence, std::int64_t number) const {
    return {.queries = query_.size(1),
            .keys = key_.size(1),
            .query_width = query_.size(3),
            .value_width = value_.size(3),
            .left = left_,
            .right = right_,
            .scale = scale_,
            .query = head_rows<Number>(query_, sequence, number),
            .key = head_rows<Number>(key_, sequence, number),
            .value = head_rows<Number>(value_, sequence, number)};
  }

  /// Queries of a stretch, at least as many as the keys that the next but one may not reach.
  std::int64_t stretch() const {
    constexpr std::int64_t kLeast = 3 * kRoundQueries;
    const std::int64_t apart = std::max(kLeast, left_ + right_);
    return (apart + kRoundQueries - 1) / kRoundQueries * kRoundQueries;
  }

  /// The gradients of the keys that no stretch meets of those that come first: before the ones that
  /// the first of all meets, and from those that this one meets to those of the next but one.
  void clear_unmet(const BandedHeadGradients<T>& gradients, std::int64_t first,
                   std::int64_t after) const {
    const std::int64_t keys = key_.size(1);
    const auto clear = [&](std::int64_t begin, std::int64_t end) {
      clear_rows(gradients.d_key, begin, end, key_.size(3));
      clear_rows(gradients.d_value, begin, end, value_.size(3));
    };
    const std::int64_t begin = std::clamp<std::int64_t>(first - left_, 0, keys);
    const std::int64_t end = std::clamp(after + right_, begin, keys);
    const std::int64_t next = first + 2 * stretch();
    if (first == 0) clear(0, begin);
    clear(end, next >= query_.size(1) ? keys : std::min(next - left_, keys));
  }

  /// [threads, numbers]
  at::Tensor make_scratch() const {
    return at::empty({at::get_num_threads(), tiles_.scratch_size(query_.size(3), value_.size(3))},
                     query_.options().dtype(c10::CppTypeToScalarType<T>::value));
  }
  static T* own_scratch(const at::Tensor& scratch) {
    return scratch.data_ptr<T>() + at::get_thread_num() * scratch.size(1);
  }

  const at::Tensor &query_, &key_, &value_;
  std::int64_t left_, right_;
  T scale_;
  const BandedTiles<Number, T>& tiles_;
};

}  // namespace

std::vector<const InstructionSet*> instruction_sets() {
  std::vector<const InstructionSet*> sets =
      runnable(baseline_instructions, avx2_instructions, avx512_instructions);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16") != 0) {
    sets.insert(sets.begin(), &avx512_bf16_instructions);
  }
#endif
  return sets;
}

void add_banded_cpu(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                    BandMask mask, double scale, const BandedOutput& sum, Share share,
                    const InstructionSet& instructions) {
  in_types_of(query, [&](auto number, auto its_sum) {
    BandedCpu<decltype(number), decltype(its_sum)>(query, key, value, mask, scale, instructions)
        .forward(sum, share);
  });
}

void add_banded_gradients_cpu(const at::Tensor& d_out, const at::Tensor& query,
                              const at::Tensor& key, const at::Tensor& value, const at::Tensor& out,
                              const at::Tensor& lse, BandMask mask, double scale,
                              const BandedGradients& sum, Share share,
                              const InstructionSet& instructions) {
  in_types_of(query, [&](auto number, auto its_sum) {
    BandedCpu<decltype(number), decltype(its_sum)>(query, key, value, mask, scale, instructions)
        .backward(d_out, out, lse, sum, share);
  });
}

}  // namespace sparse_transformer
