#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <type_traits>

#include "attention/kernels/banded_fused.h"
#include "attention/kernels/tiles.h"

namespace sparse_transformer {
namespace {

template <typename T>
const BandedTiles<T>& tiles_of(const InstructionSet& instructions) {
  if constexpr (std::is_same_v<T, double>) {
    return instructions.float64;
  } else {
    return instructions.float32;
  }
}

/// Of a [batch, length, heads, width] tensor, or one without the width.
template <typename T>
HeadRows<T> head_rows(const at::Tensor& x, std::int64_t sequence, std::int64_t head) {
  return {x.const_data_ptr<T>() + sequence * x.stride(0) + head * x.stride(2), x.stride(1)};
}

/// The attention of all heads of all sequences, computed in T.
template <typename T>
class BandedCpu {
 public:
  BandedCpu(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, BandMask mask,
            double scale, const InstructionSet& instructions)
      : query_(query.to(kType)),
        key_(key.to(kType)),
        value_(value.to(kType)),
        mask_(mask),
        scale_(static_cast<T>(scale)),
        tiles_(tiles_of<T>(instructions)) {}

  BandedOutput forward() const {
    const at::Tensor out = by_head(query_, value_.size(3));
    const at::Tensor lse = at::empty({sequences(), heads(), query_.size(1)}, query_.options());
    const std::int64_t blocks = (query_.size(1) + kBlockQueries - 1) / kBlockQueries;
    const at::Tensor scratch = make_scratch();
    at::parallel_for(
        0, sequences() * heads() * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t row = task / blocks;  // of [sequences · heads]
            const std::int64_t first = task % blocks * kBlockQueries;
            const std::int64_t at = row * query_.size(1) + first;
            tiles_.forward(head(row), first, std::min(kBlockQueries, query_.size(1) - first),
                           out.data_ptr<T>() + at * value_.size(3), lse.data_ptr<T>() + at,
                           own_scratch(scratch));
          }
        });
    return {out.transpose(1, 2), lse.transpose(1, 2)};
  }

  BandedGradients backward(const at::Tensor& d_out, const at::Tensor& out,
                           const at::Tensor& lse) const {
    const at::Tensor d_out_rows = d_out.to(kType);
    const at::Tensor out_rows = out.to(kType);
    const at::Tensor d_query = by_head(query_, query_.size(3));
    const at::Tensor d_key = by_head(key_, key_.size(3)).zero_();
    const at::Tensor d_value = by_head(value_, value_.size(3)).zero_();
    const at::Tensor scratch = make_scratch();
    at::parallel_for(0, sequences() * heads(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const auto of = [&](const at::Tensor& x) {
          return head_rows<T>(x, row / heads(), row % heads());
        };
        const auto gradient = [&](const at::Tensor& x) {
          return x.data_ptr<T>() + row * x.size(2) * x.size(3);
        };
        tiles_.backward(head(row), {of(d_out_rows), of(out_rows), of(lse)},
                        {gradient(d_query), gradient(d_key), gradient(d_value)},
                        own_scratch(scratch));
      }
    });
    return {d_query.transpose(1, 2), d_key.transpose(1, 2), d_value.transpose(1, 2)};
  }

 private:
  static constexpr at::ScalarType kType = c10::CppTypeToScalarType<T>::value;

  std::int64_t sequences() const { return query_.size(0); }
  std::int64_t heads() const { return query_.size(2); }

  BandedHead<T> head(std::int64_t row) const {
    const auto of = [&](const at::Tensor& x) {
      return head_rows<T>(x, row / heads(), row % heads());
    };
    // Bounds beyond both lengths, made small enough to be added to positions.
    const std::int64_t far = query_.size(1) + key_.size(1);
    return {.queries = query_.size(1),
            .keys = key_.size(1),
            .query_width = query_.size(3),
            .value_width = value_.size(3),
            .left = std::clamp(mask_.left, -far, far),
            .right = std::clamp(mask_.right, -far, far),
            .scale = scale_,
            .query = of(query_),
            .key = of(key_),
            .value = of(value_)};
  }

  /// Memory like that of `x`, but [sequences, heads, length, width]: a head's rows lie together.
  static at::Tensor by_head(const at::Tensor& x, std::int64_t width) {
    return at::empty({x.size(0), x.size(2), x.size(1), width}, x.options());
  }

  /// [threads, numbers]
  at::Tensor make_scratch() const {
    return at::empty({at::get_num_threads(), tiles_.scratch_size(query_.size(3), value_.size(3))},
                     query_.options());
  }
  static T* own_scratch(const at::Tensor& scratch) {
    return scratch.data_ptr<T>() + at::get_thread_num() * scratch.size(1);
  }

  at::Tensor query_, key_, value_;
  BandMask mask_;
  T scale_;
  const BandedTiles<T>& tiles_;
};

template <typename Run>
auto in_accumulation_type(const at::Tensor& query, const Run& run) {
  return query.scalar_type() == at::kDouble ? run(double{}) : run(float{});
}

}  // namespace

std::vector<const InstructionSet*> instruction_sets() {
  std::vector<const InstructionSet*> sets;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) sets.push_back(&avx512_instructions);
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
    sets.push_back(&avx2_instructions);
  }
#endif
  sets.push_back(&baseline_instructions);
  return sets;
}

BandedOutput banded_forward_cpu(const at::Tensor& query, const at::Tensor& key,
                                const at::Tensor& value, BandMask mask, double scale,
                                const InstructionSet& instructions) {
  return in_accumulation_type(query, [&](auto number) {
    return BandedCpu<decltype(number)>(query, key, value, mask, scale, instructions).forward();
  });
}

BandedGradients banded_backward_cpu(const at::Tensor& d_out, const at::Tensor& query,
                                    const at::Tensor& key, const at::Tensor& value,
                                    const at::Tensor& out, const at::Tensor& lse, BandMask mask,
                                    double scale, const InstructionSet& instructions) {
  return in_accumulation_type(query, [&](auto number) {
    return BandedCpu<decltype(number)>(query, key, value, mask, scale, instructions)
        .backward(d_out, out, lse);
  });
}

}  // namespace sparse_transformer
