// The CUDA kernels of rows.cuh, run block by block on the CPU (emulated_block.h).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "model/dropout.h"
#include "model/kernels/row_operations.h"
#include "model/kernels/rows.cuh"
#include "tests/runtime/cuda/emulated_block.h"

namespace sparse_transformer {
namespace {

using row_kernels::Tile;

struct Case {
  std::vector<std::int64_t> shape;
  at::ScalarType type;
  bool moves_lines;  // 16 bytes at once
  double tolerance;  // a number's relative to 1 or to itself
};

/// Widths of a tile, of more and of less, with stripes that are not full.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& [type, tolerance] :
       {std::pair(at::kFloat, 1e-5), {at::kBFloat16, 1e-2}, {at::kHalf, 2e-3}}) {
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{
             {2, 20, 64}, {3, 11, 296}, {1, 1, 8}, {2, 45, 256}}) {
      for (const bool moves_lines : {false, true}) {
        all.push_back({shape, type, moves_lines, tolerance});
      }
    }
    all.push_back({{2, 17, 37}, type, false, tolerance});
    all.push_back({{5, 1}, type, false, tolerance});
  }
  return all;
}

/// Calls run(a number of the kernels' type, how many a thread moves at once).
template <typename Run>
void with_kernel(const Case& c, const Run& run) {
  const auto with_count = [&](auto number) {
    if (c.moves_lines) {
      run(number, std::integral_constant<int, 16 / sizeof(number)>());
    } else {
      run(number, std::integral_constant<int, 1>());
    }
  };
  if (c.type == at::kFloat) return with_count(float{});
  if (c.type == at::kBFloat16) return with_count(HalfNumber<HalfType::kBfloat16>{});
  with_count(HalfNumber<HalfType::kFloat16>{});
}

template <typename T>
T* data(const at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

/// Runs kernel(thread, block, shared, number, count) in both orders of warps.
template <typename Blocks, typename Kernel>
void run_blocks(const Case& c, const Blocks& blocks, const Kernel& kernel) {
  for (const Order order : {Order::kForwards, Order::kBackwards}) {
    with_kernel(c, [&](auto number, auto count) {
      constexpr int kBytes = row_kernels::kSharedNumbers<2, decltype(count)::value> * 4;
      EmulatedBlock(row_kernels::kThreads, kBytes, order, Arrival::kAtOnce)
          .run(blocks(count),
               [&](EmulatedThread& thread, std::int64_t block, std::uint16_t* shared) {
                 kernel(thread, block, reinterpret_cast<float*>(shared), number, count);
               });
    });
  }
}

/// What a case computes with: rounded to its type, with float32 vectors; what is written is NaN.
struct Inputs {
  explicit Inputs(const Case& c)
      : rows(at::empty(c.shape).numel() / c.shape.back()), width(c.shape.back()) {
    at::manual_seed(7);
    const auto matrix = [&] { return at::randn(c.shape, at::kDouble).to(c.type); };
    const auto vector = [&] { return at::randn({width}); };
    x = matrix(), y = matrix(), d = matrix();
    gain = vector(), bias = vector();
    out = at::full_like(x, std::numeric_limits<double>::quiet_NaN());
    sums = at::full({stripes(rows), 2, width}, std::numeric_limits<double>::quiet_NaN());
  }

  at::Tensor total(std::int64_t count) const {
    return sums.flatten()
        .narrow(0, 0, stripes(rows) * count * width)
        .view({stripes(rows), count, width})
        .sum(0);
  }
  auto tiles() const {
    return [this](auto count) { return Tile<decltype(count)::value>::blocks(rows, width); };
  }

  std::int64_t rows, width;
  at::Tensor x, y, d, gain, bias, out, sums;
};

at::Tensor exact(const at::Tensor& x) { return x.to(at::kDouble); }

void expect_close(const at::Tensor& fast, const at::Tensor& right, double tolerance,
                  const std::string& what) {
  const at::Tensor apart = (exact(fast) - right).abs() / right.abs().clamp_min(1);
  EXPECT_LT(apart.max().item<double>(), tolerance) << what;
}

std::string name(const Case& c) {
  return std::string(c10::toString(c.type)) + ", width " + std::to_string(c.shape.back()) +
         (c.moves_lines ? ", 16 bytes at once" : "");
}

const DropoutPlace kPlace{.seed = 3, .step = 5, .first_sequence = 2, .site = -2};
constexpr double kP = 0.3;

TEST(RowKernels, NormAndItsGradient) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(name(c));
    const Inputs in(c);
    const at::Tensor mean = at::full({in.rows}, 99.0F), reciprocal = at::full({in.rows}, 99.0F);
    const at::Tensor normed = at::full_like(in.x, 99.0F);
    run_blocks(
        c, [&](auto) { return row_kernels::norm_blocks(in.rows); },
        [&](EmulatedThread& thread, std::int64_t block, float*, auto number, auto count) {
          using T = decltype(number);
          const NormRows<T, float> work = {in.width,
                                           1e-5F,
                                           data<T>(in.x),
                                           data<float>(in.gain),
                                           data<float>(in.bias),
                                           data<T>(normed),
                                           data<float>(mean),
                                           data<float>(reciprocal)};
          row_kernels::norm<decltype(count)::value>(thread, block, work, in.rows);
        });
    run_blocks(
        c, [&](auto) { return stripes(in.rows); },
        [&](EmulatedThread& thread, std::int64_t block, float* shared, auto number, auto count) {
          using T = decltype(number);
          const NormRowsGradient<T, float> work = {
              in.width,          data<T>(in.x),           data<float>(in.gain),
              data<float>(mean), data<float>(reciprocal), data<T>(in.d),
              data<T>(in.y),     data<T>(in.out)};
          row_kernels::norm_gradient<decltype(count)::value>(thread, block, work, in.rows, shared,
                                                             data<float>(in.sums));
        });
    const at::Tensor gain = exact(in.gain), bias = exact(in.bias);
    const auto [y, its_mean, its_reciprocal] =
        at::native_layer_norm(exact(in.x), {in.width}, gain, bias, 1e-5);
    const auto [d_x, d_gain, d_bias] =
        at::native_layer_norm_backward(exact(in.d), exact(in.x), {in.width}, its_mean,
                                       its_reciprocal, gain, bias, {true, true, true});
    expect_close(normed, y, c.tolerance, "y");
    expect_close(mean, its_mean.flatten(), 1e-5, "mean");
    expect_close(reciprocal, its_reciprocal.flatten(), 1e-5, "reciprocal");
    expect_close(in.out, d_x + exact(in.y), c.tolerance, "d_x");
    expect_close(in.total(2)[0], d_gain, 1e-4, "d_gain");
    expect_close(in.total(2)[1], d_bias, 1e-5, "d_shift");
  }
}

TEST(RowKernels, DropoutDrawsTheMaskOfTheProcessor) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(name(c));
    const Inputs in(c);
    const at::Tensor right = dropout(in.x, kP, kPlace, Kernels::kPlain);
    const std::int64_t step = kPlace.step;
    RowMask told = KeptDropout(kP, kPlace).mask(in.x);
    RowMask read = told;
    read.step = 99;
    read.step_in_memory = &step;
    for (const RowMask& mask : {told, read}) {
      in.out.fill_(99);
      run_blocks(c, in.tiles(),
                 [&](EmulatedThread& thread, std::int64_t block, float*, auto number, auto count) {
                   using T = decltype(number);
                   const DroppedRows<T> work = {in.width, data<T>(in.x), data<T>(in.out), mask};
                   row_kernels::drop<decltype(count)::value>(thread, block, work, in.rows);
                 });
      EXPECT_TRUE(at::equal(in.out, right));
    }
    in.out.fill_(99);
    run_blocks(
        c, in.tiles(),
        [&](EmulatedThread& thread, std::int64_t block, float* shared, auto number, auto count) {
          using T = decltype(number);
          const DroppedRows<T> work = {in.width, data<T>(in.x), data<T>(in.out), told};
          row_kernels::drop_and_sum<decltype(count)::value>(thread, block, work, in.rows, shared,
                                                            data<float>(in.sums));
        });
    EXPECT_TRUE(at::equal(in.out, right));
    // The sum is of what has not been rounded to the type of x yet.
    const at::Tensor unrounded = dropout(exact(in.x), kP, kPlace, Kernels::kPlain);
    expect_close(in.total(1)[0], unrounded.view({in.rows, in.width}).sum(0), 1e-5, "sums");
  }
}

TEST(RowKernels, ResidualWithAndWithoutDropout) {
  for (const Case& c : cases()) {
    for (const double p : {0.0, kP}) {
      SCOPED_TRACE(name(c) + (p == 0.0 ? "" : ", dropout"));
      const Inputs in(c);
      const RowMask mask = KeptDropout(p, kPlace).mask(in.x);
      run_blocks(c, in.tiles(),
                 [&](EmulatedThread& thread, std::int64_t block, float*, auto number, auto count) {
                   using T = decltype(number);
                   const ResidualRows<T, float> work = {in.width,        data<T>(in.x),
                                                        data<T>(in.y),   data<float>(in.bias),
                                                        data<T>(in.out), mask};
                   row_kernels::residual<decltype(count)::value>(thread, block, work, in.rows);
                 });
      const at::Tensor branch = exact(in.y) + exact(in.bias);
      expect_close(in.out, exact(in.x) + dropout(branch, p, kPlace, Kernels::kPlain), c.tolerance,
                   "sum");
    }
  }
}

TEST(RowKernels, GeluAndItsGradient) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(name(c));
    const Inputs in(c);
    run_blocks(c, in.tiles(),
               [&](EmulatedThread& thread, std::int64_t block, float*, auto number, auto count) {
                 using T = decltype(number);
                 const GeluRows<T, float> work = {in.width, data<T>(in.x), data<float>(in.bias),
                                                  data<T>(in.out)};
                 row_kernels::gelu<decltype(count)::value>(thread, block, work, in.rows);
               });
    const at::Tensor u = exact(in.x) + exact(in.bias);
    const at::Tensor s = at::sigmoid(1.702 * u);
    expect_close(in.out, u * s, c.tolerance, "y");
    run_blocks(
        c, in.tiles(),
        [&](EmulatedThread& thread, std::int64_t block, float* shared, auto number, auto count) {
          using T = decltype(number);
          const GeluRowsGradient<T, float> work = {in.width, data<T>(in.x), data<float>(in.bias),
                                                   data<T>(in.d), data<T>(in.out)};
          row_kernels::gelu_gradient<decltype(count)::value>(thread, block, work, in.rows, shared,
                                                             data<float>(in.sums));
        });
    const at::Tensor d_x = exact(in.d) * (s + 1.702 * u * s * (1 - s));
    expect_close(in.out, d_x, c.tolerance, "d_x");
    expect_close(in.total(1)[0], d_x.view({in.rows, in.width}).sum(0), 1e-5, "d_bias");
  }
}

}  // namespace
}  // namespace sparse_transformer
