// A layer of union attention on the device, for tests of attention/kernels/union_*.cu.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <type_traits>
#include <vector>

#include "attention/kernels/union_attention.h"
#include "attention/kernels/union_plan.h"
#include "tests/attention/kernels/union_case.h"
#include "tests/cuda/attention_reference.h"
#include "tests/cuda/device_buffer.h"
#include "tests/cuda/half.h"
#include "tests/cuda/random_numbers.h"

namespace sparse_transformer {

inline AttentionSize size_of(const UnionCase& c) {
  return {static_cast<std::size_t>(c.batch), static_cast<std::size_t>(c.pattern.n),
          static_cast<std::size_t>(c.pattern.heads), c.shape()};
}

inline void PrintTo(const UnionCase& c, std::ostream* stream) { *stream << case_name(c.pattern); }

/// A layer's tensors on the device. Results are poisoned.
template <typename T>
class UnionLayer {
 public:
  explicit UnionLayer(const UnionCase& c) : UnionLayer(c, random_values(c)) {}
  UnionLayer(const UnionCase& c, const std::vector<float>& packed_values)
      : case_(c),
        pattern_(layer_of(c.pattern)),
        packed(rounded<T>(packed_values)),
        d_out(rounded<T>(RandomNumbers(8).normal(size_of(c).rows() * size_of(c).value_width()))),
        out(d_out.size()),
        d_packed(packed.size()),
        lse(size_of(c).rows()),
        delta(size_of(c).rows()) {}

  static std::vector<float> random_values(const UnionCase& c) {
    return RandomNumbers(7).normal(size_of(c).rows() * size_of(c).packed_width());
  }

  void forward(const UnionTuning& tuning = {}) {
    run(Direction::kForward, tuning, launch_union_forward);
  }
  void backward(const UnionTuning& tuning = {}) {
    const auto width = static_cast<std::int32_t>(case_.value_width);
    const auto rows = static_cast<std::int64_t>(size_of(case_).rows());
    expect_success(launch_union_delta(memory(), rows, width, kType, nullptr));
    run(Direction::kBackward, tuning, launch_union_backward);
  }

  double most_pieces() const {
    std::size_t most = 0;
    for (const HeadGroup& group : pattern_.groups) most = std::max(most, group.pieces.size());
    return static_cast<double>(most);
  }

 private:
  static constexpr HalfType kType =
      std::is_same_v<T, Bfloat16> ? HalfType::kBfloat16 : HalfType::kFloat16;

  LayerMemory memory() const {
    const auto bits = [](const DeviceBuffer<T>& x) {
      return reinterpret_cast<std::uint16_t*>(x.data());
    };
    return {.packed = bits(packed),
            .out = bits(out),
            .lse = lse.data(),
            .d_out = bits(d_out),
            .delta = delta.data(),
            .d_packed = bits(d_packed)};
  }

  template <typename Launch>
  void run(Direction direction, const UnionTuning& tuning, const Launch& launch) {
    UnionPlan plan =
        union_plan(pattern_, case_.shape(), case_.batch, case_.pattern.n, direction, tuning);
    for (const HeadGroup* group : plan.partial) clear(*group, direction);
    for (UnionParams& params : plan.launches) {
      const DeviceBuffer<std::int32_t> counters(
          std::vector<std::int32_t>(static_cast<std::size_t>(union_counters(params))));
      params.memory = memory();
      params.counters = counters.data();
      expect_success(launch(params, kType, nullptr));
    }
  }

  /// As union_plan.h asks for groups that no piece writes whole.
  void clear(const HeadGroup& group, Direction direction) {
    if (direction == Direction::kForward) {
      fill(out, group, size_of(case_).value_width(), T{});
      fill(lse, group, 1, -std::numeric_limits<float>::infinity());
    } else {
      fill(d_packed, group, size_of(case_).packed_width(), T{});
    }
  }
  template <typename Number>
  void fill(const DeviceBuffer<Number>& tensor, const HeadGroup& group, std::size_t width,
            Number value) {
    const std::vector<Number> numbers(static_cast<std::size_t>(group.heads) * width, value);
    const std::size_t step = size_of(case_).heads * width;
    for (std::size_t i = static_cast<std::size_t>(group.first_head) * width; i < tensor.size();
         i += step) {
      expect_success(cudaMemcpy(tensor.data() + i, numbers.data(), numbers.size() * sizeof(Number),
                                cudaMemcpyHostToDevice));
    }
  }

  UnionCase case_;
  LayerPattern pattern_;

 public:
  DeviceBuffer<T> packed, d_out, out, d_packed;
  DeviceBuffer<float> lse, delta;
};

}  // namespace sparse_transformer
