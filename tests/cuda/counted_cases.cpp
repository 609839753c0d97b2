#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "attention/kernels/token_attention.h"
#include "generation/kernels/token_choice.h"
#include "model/kernels/gelu_product.h"
#include "model/kernels/rows_launch.h"
#include "tests/cuda/device_buffer.h"
#include "tests/cuda/half.h"
#include "tests/cuda/kernel_counts.h"
#include "tests/cuda/random_numbers.h"
#include "tests/cuda/union_layer.h"
#include "training/kernels/adam.h"

namespace sparse_transformer {
namespace {

using Cases = std::vector<CountedCase>;

DeviceBuffer<Float16> random_halfs(std::size_t count) {
  return DeviceBuffer<Float16>(rounded<Float16>(RandomNumbers(1).normal(count)));
}
DeviceBuffer<float> random_floats(std::size_t count) {
  return DeviceBuffer<float>(RandomNumbers(2).normal(count));
}
template <typename T>
DeviceBuffer<T> one(T value) {
  return DeviceBuffer<T>(std::vector<T>{value});
}
std::uint16_t* bits(const DeviceBuffer<Float16>& x) {
  return reinterpret_cast<std::uint16_t*>(x.data());
}

void add_attention(const std::string& name, const UnionCase& c, Cases& cases) {
  cases.push_back({name + " forward", [c] {
                     UnionLayer<Float16> layer(c);
                     return count_kernels([&] { layer.forward(); });
                   }});
  cases.push_back({name + " backward", [c] {
                     UnionLayer<Float16> layer(c);
                     layer.forward();
                     return count_kernels([&] { layer.backward(); });
                   }});
}

/// Stride, summary columns and widths of the heads are those of configs/.
void add_attention(Cases& cases) {
  struct Model {
    std::string name;
    std::int64_t n, stride, query_width, value_width;
  };
  for (const Model& model : {Model{"cifar10", 960, 96, 64, 128}, Model{"enwik8", 1024, 128, 64, 64},
                             Model{"imagenet64", 1024, 128, 32, 32}}) {
    for (const char* const pattern : {"local", "column", "local+column", "row+summary"}) {
      const PatternCase layer = {{pattern}, model.n, model.stride, 32, 1};
      add_attention(model.name + " " + pattern, {layer, 1, model.query_width, model.value_width},
                    cases);
    }
  }
}

/// Matrices of some rows.
struct RowOperands {
  static constexpr std::int64_t kRows = 256;

  explicit RowOperands(std::int64_t its_width)
      : width(its_width),
        x(random_halfs(numbers())),
        y(random_halfs(numbers())),
        d(random_halfs(numbers())),
        out(numbers()),
        gain(random_floats(static_cast<std::size_t>(width))),
        bias(random_floats(static_cast<std::size_t>(width))),
        mean(random_floats(kRows)),
        reciprocal(random_floats(kRows)),
        sums(static_cast<std::size_t>(stripes(kRows) * 2 * width)) {}

  std::size_t numbers() const { return static_cast<std::size_t>(kRows * width); }
  /// Dropout with probability `p`.
  static RowMask mask(double p) {
    return {.seed = 3,
            .step = 5,
            .first_sequence = 0,
            .site = 7,
            .step_in_memory = nullptr,
            .threshold = static_cast<std::uint32_t>(p * 0x1p32),
            .factor = 1 / (1 - p),
            .sequence_rows = kRows};
  }

  std::int64_t width;
  DeviceBuffer<Float16> x, y, d, out;
  DeviceBuffer<float> gain, bias, mean, reciprocal, sums;
};

/// `launch`: of a RowOperands, returns CUDA's error code.
template <typename Launch>
void add_rows(const std::string& name, std::int64_t width, const Launch& launch, Cases& cases) {
  cases.push_back({name + " " + std::to_string(width), [width, launch] {
                     const RowOperands in(width);
                     return count_kernels([&] { expect_success(launch(in)); });
                   }});
}

void add_layer_norm(std::int64_t width, Cases& cases) {
  const auto forward = [](const RowOperands& in) {
    return launch_norm<Float16>({in.width, 1e-5F, in.x.data(), in.gain.data(), in.bias.data(),
                                 in.out.data(), in.mean.data(), in.reciprocal.data()},
                                in.kRows, nullptr);
  };
  const auto backward = [](const RowOperands& in) {
    return launch_norm_gradient<Float16>(
        {in.width, in.x.data(), in.gain.data(), in.mean.data(), in.reciprocal.data(), in.d.data(),
         in.y.data(), in.out.data()},
        in.kRows, in.sums.data(), nullptr);
  };
  add_rows("layer norm forward", width, forward, cases);
  add_rows("layer norm backward", width, backward, cases);
}

void add_residual(std::int64_t width, Cases& cases) {
  const auto residual = [](double p) {
    return [p](const RowOperands& in) {
      return launch_residual<Float16>(
          {in.width, in.x.data(), in.y.data(), in.bias.data(), in.out.data(), in.mask(p)}, in.kRows,
          nullptr);
    };
  };
  const auto drop = [](const RowOperands& in) {
    return launch_drop<Float16>({in.width, in.x.data(), in.out.data(), in.mask(0.25)}, in.kRows,
                                nullptr);
  };
  const auto drop_and_sum = [](const RowOperands& in) {
    return launch_drop_and_sum<Float16>({in.width, in.x.data(), in.out.data(), in.mask(0.25)},
                                        in.kRows, in.sums.data(), nullptr);
  };
  add_rows("residual", width, residual(0.0), cases);
  add_rows("residual with dropout", width, residual(0.25), cases);
  add_rows("dropout", width, drop, cases);
  add_rows("dropout with sums", width, drop_and_sum, cases);
}

void add_gelu(std::int64_t width, Cases& cases) {
  const auto forward = [](const RowOperands& in) {
    return launch_gelu<Float16>({in.width, in.x.data(), in.bias.data(), in.out.data()}, in.kRows,
                                nullptr);
  };
  const auto backward = [](const RowOperands& in) {
    return launch_gelu_gradient<Float16>(
        {in.width, in.x.data(), in.bias.data(), in.d.data(), in.out.data()}, in.kRows,
        in.sums.data(), nullptr);
  };
  add_rows("gelu forward", width, forward, cases);
  add_rows("gelu backward", width, backward, cases);
}

/// Matrices [512, 256] · [256, 1024].
struct ProductOperands {
  static constexpr std::int64_t kRows = 512, kColumns = 1024, kDepth = 256;

  GeluProductParams params() const {
    return {kRows, kColumns, kDepth, bits(a), bits(b), bias.data(), bits(pre), bits(out)};
  }

  DeviceBuffer<Float16> a = random_halfs(kRows * kDepth), b = random_halfs(kDepth * kColumns),
                        pre = random_halfs(kRows * kColumns);
  DeviceBuffer<Float16> out{kRows * kColumns};
  DeviceBuffer<float> bias = random_floats(kColumns);
  DeviceBuffer<float> sums{static_cast<std::size_t>(product_stripes(kRows) * kColumns)};
};

void add_gelu_product(Cases& cases) {
  cases.push_back({"gelu product forward 512x1024x256", [] {
                     const ProductOperands in;
                     return count_kernels([&] {
                       expect_success(
                           launch_gelu_product(in.params(), HalfType::kFloat16, nullptr));
                     });
                   }});
  cases.push_back({"gelu product backward 512x1024x256", [] {
                     const ProductOperands in;
                     return count_kernels([&] {
                       expect_success(launch_gelu_product_gradient(in.params(), HalfType::kFloat16,
                                                                   in.sums.data(), nullptr));
                     });
                   }});
}

/// A parameter of 100,000 numbers, with an average and a copy in half precision.
struct AdamOperands {
  static constexpr std::size_t kCount = 100'000;

  std::vector<AdamTensor> tensors() const {
    return {{.weight = weight.data(),
             .gradient = gradient.data(),
             .first_moment = first_moment.data(),
             .second_moment = second_moment.data(),
             .average = average.data(),
             .rounded = rounded.data(),
             .rounded_type = HalfType::kBfloat16,
             .weight_decay = 0.01F,
             .count = kCount}};
  }
  AdamParams params() const {
    return {.learning_rate = learning_rate.data(),
            .updates = updates.data(),
            .average_share = share.data(),
            .divisor = divisor.data(),
            .is_skipped = is_skipped.data(),
            .beta1 = 0.9,
            .beta2 = 0.95,
            .epsilon = 1e-8};
  }

  DeviceBuffer<std::uint16_t> rounded{kCount};
  DeviceBuffer<float> weight = random_floats(kCount), gradient = random_floats(kCount),
                      average = random_floats(kCount);
  DeviceBuffer<float> first_moment{std::vector<float>(kCount)},
      second_moment{std::vector<float>(kCount)};
  DeviceBuffer<double> learning_rate = one(1e-3);
  DeviceBuffer<float> updates = one(5.0F), share = one(0.001F), divisor = one(1.0F),
                      is_skipped = one(0.0F);
};

void add_adam(Cases& cases) {
  cases.push_back({"gradient norm of 100000", [] {
                     const AdamOperands in;
                     const auto tensors = in.tensors();
                     const DeviceBuffer<float> norm(1),
                         sums(static_cast<std::size_t>(gradient_norm_sums(tensors)));
                     return count_kernels([&] {
                       expect_success(
                           launch_gradient_norm(tensors, sums.data(), norm.data(), nullptr));
                     });
                   }});
  cases.push_back({"adam of 100000", [] {
                     const AdamOperands in;
                     return count_kernels(
                         [&] { expect_success(launch_adam(in.tensors(), in.params(), nullptr)); });
                   }});
}

/// The last of n tokens, one head. `runs`: first row, step and count of each of its runs of keys.
Counts count_token_attention(std::int32_t n, std::int32_t query_width, std::int32_t value_width,
                             const std::vector<std::int32_t>& runs) {
  const auto size = [](std::int32_t x) { return static_cast<std::size_t>(x); };
  std::vector<std::int32_t> numbers = {n - 1};
  numbers.insert(numbers.end(), runs.begin(), runs.end());
  const DeviceBuffer<std::int32_t> entries(numbers);
  const DeviceBuffer<std::int64_t> head_places(std::vector<std::int64_t>{0, 0});
  const DeviceBuffer<std::int64_t> position = one(std::int64_t{0});
  const DeviceBuffer<Float16> packed = random_halfs(size(2 * query_width + value_width)),
                              memory = random_halfs(size(n) * size(query_width + value_width)),
                              out(size(value_width));
  return count_kernels([&] {
    expect_success(launch_token_attention({.batch = 1,
                                           .heads = 1,
                                           .query_width = query_width,
                                           .value_width = value_width,
                                           .scale = 0.125F,
                                           .packed = packed.data(),
                                           .memory = memory.data(),
                                           .layer_rows = n,
                                           .out = out.data(),
                                           .entries = entries.data(),
                                           .head_places = head_places.data(),
                                           .places = 1,
                                           .runs = static_cast<std::int32_t>(runs.size() / 3),
                                           .sets = 1,
                                           .position = position.data()},
                                          CacheType::kFloat16, nullptr));
  });
}

void add_token_attention(Cases& cases) {
  cases.push_back({"token attention cifar10 local+column", [] {
                     return count_token_attention(960, 64, 128, {864, 1, 96, 95, 96, 8});
                   }});
  cases.push_back({"token attention enwik8 row+summary", [] {
                     std::vector<std::int32_t> runs = {896, 1, 128};
                     for (std::int32_t row = 0; row < 896; row += 128) {
                       runs.insert(runs.end(), {row + 96, 1, 32});
                     }
                     return count_token_attention(1024, 64, 64, runs);
                   }});
}

Counts count_token_choice(std::int32_t top_k, double top_p) {
  constexpr std::size_t kSequences = 8;
  const DeviceBuffer<float> logits = random_floats(kSequences * 256);
  const DeviceBuffer<std::int64_t> position = one(std::int64_t{0}),
                                   not_finite(std::vector<std::int64_t>(kSequences, 1));
  const DeviceBuffer<std::uint8_t> tokens(kSequences);
  return count_kernels([&] {
    expect_success(launch_token_choice({.batch = kSequences,
                                        .length = 1,
                                        .logits = logits.data(),
                                        .temperature = 1.0,
                                        .top_p = top_p,
                                        .top_k = top_k,
                                        .seed = 7,
                                        .first_sample = 0,
                                        .position = position.data(),
                                        .tokens = tokens.data(),
                                        .not_finite = not_finite.data()},
                                       nullptr));
  });
}

void add_token_choice(Cases& cases) {
  cases.push_back({"token choice", [] { return count_token_choice(0, 1.0); }});
  cases.push_back(
      {"token choice with top-k and top-p", [] { return count_token_choice(40, 0.9); }});
}

}  // namespace

std::vector<CountedCase> counted_cases() {
  Cases cases;
  add_attention(cases);
  for (const std::int64_t width : {256, 512}) add_layer_norm(width, cases);
  add_residual(512, cases);
  add_gelu(1024, cases);
  add_gelu_product(cases);
  add_adam(cases);
  add_token_attention(cases);
  add_token_choice(cases);
  return cases;
}

}  // namespace sparse_transformer
