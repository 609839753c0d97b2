// The CUDA kernels of gelu_product.cuh, run block by block on the CPU (emulated_block.h) and
// compared with their definition in float64.
#include "model/kernels/gelu_product.cuh"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/runtime/cuda/emulated_block.h"

namespace sparse_transformer {
namespace {

using gelu_product::Factor;

struct Sizes {
  std::int64_t rows, columns, depth;
};

/// A tile; edges on all sides and more steps than stages; less than a tile; more rows of tiles than
/// go together, the last of them alone.
constexpr Sizes kSizes[] = {{128, 128, 32}, {200, 136, 168}, {3, 264, 8}, {1100, 136, 40}};

/// How far a number may be from the right one, relative to 1 or to itself: two roundings.
template <HalfType kType>
constexpr double kTolerance = kType == HalfType::kBfloat16 ? 1e-2 : 2e-3;

/// Half-precision numbers at random, mostly within `scale`.
template <HalfType kType>
std::vector<std::uint16_t> random_numbers(std::int64_t count, double scale, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0.0, scale);
  std::vector<std::uint16_t> numbers;
  for (std::int64_t i = 0; i < count; ++i) {
    numbers.push_back(EmulatedThread::bits<kType>(static_cast<float>(normal(generator))));
  }
  return numbers;
}

template <HalfType kType>
std::vector<double> exact(const std::vector<std::uint16_t>& bits) {
  std::vector<double> numbers;
  for (const std::uint16_t x : bits) numbers.push_back(EmulatedThread::number<kType>(x));
  return numbers;
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double gelu(double u) { return u * sigmoid(1.702 * u); }
double slope(double u) {
  const double s = sigmoid(1.702 * u);
  return s + 1.702 * u * s * (1.0 - s);
}

/// The operands of a kernel and what it writes, NaN before, with a line behind it that nobody may
/// write.
template <HalfType kType>
class Product {
 public:
  Product(const Sizes& sizes, Factor factor) : sizes_(sizes), factor_(factor) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(sizes.depth));
    a = random_numbers<kType>(sizes.rows * sizes.depth, 1.0, 1);
    b = random_numbers<kType>(sizes.depth * sizes.columns, scale, 2);
    pre = random_numbers<kType>(sizes.rows * sizes.columns, 1.0, 3);
    for (std::int64_t i = 0; i < sizes.columns; ++i) {
      bias.push_back(0.5F * std::sin(static_cast<float>(i)));
    }
    out.assign(pre.size() + kGuard, kUnwritten);
    sums.assign(static_cast<std::size_t>(product_stripes(sizes.rows) * sizes.columns) + kGuard,
                std::nanf(""));
  }

  GeluProduct work() {
    return {sizes_.rows, sizes_.columns, sizes_.depth, a.data(),
            b.data(),    bias.data(),    pre.data(),   out.data()};
  }

  /// a·b in float64.
  std::vector<double> product() const {
    const std::vector<double> x = exact<kType>(a), y = exact<kType>(b);
    std::vector<double> result;
    for (std::int64_t i = 0; i < sizes_.rows; ++i) {
      for (std::int64_t j = 0; j < sizes_.columns; ++j) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < sizes_.depth; ++k) {
          const std::int64_t of_b =
              factor_ == Factor::kByColumns ? j * sizes_.depth + k : k * sizes_.columns + j;
          sum +=
              x[static_cast<std::size_t>(i * sizes_.depth + k)] * y[static_cast<std::size_t>(of_b)];
        }
        result.push_back(sum);
      }
    }
    return result;
  }

  /// pre + bias as the kernels see it.
  std::vector<double> inputs() const {
    std::vector<double> u = exact<kType>(pre);
    for (std::size_t i = 0; i < u.size(); ++i) u[i] += bias[i % bias.size()];
    return u;
  }

  bool guards_are_whole() const {
    return std::all_of(out.end() - kGuard, out.end(), [](auto x) { return x == kUnwritten; }) &&
           std::all_of(sums.end() - kGuard, sums.end(), [](float x) { return std::isnan(x); });
  }

  std::vector<std::uint16_t> a, b, pre, out;
  std::vector<float> bias, sums;

 private:
  static constexpr std::uint16_t kUnwritten = 0xffff;
  static constexpr std::ptrdiff_t kGuard = 128 * 8;

  Sizes sizes_;
  Factor factor_;
};

void expect_close(const std::vector<double>& fast, const std::vector<double>& right,
                  double tolerance, const std::string& what) {
  double farthest = 0.0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    const double apart = std::abs(fast[i] - right[i]) / std::max(1.0, std::abs(right[i]));
    if (!(apart <= farthest)) farthest = apart;  // what is not a number stays
  }
  EXPECT_LT(farthest, tolerance) << what;
}

/// Calls check(order, arrival) for both orders of warps, copies arriving at once in one of them.
template <typename Check>
void in_both_orders(const Check& check) {
  check(Order::kForwards, Arrival::kWhenAwaited);
  check(Order::kBackwards, Arrival::kAtOnce);
}

std::string name(const Sizes& sizes) {
  return std::to_string(sizes.rows) + " x " + std::to_string(sizes.columns) + " x " +
         std::to_string(sizes.depth);
}

template <typename Type>
class GeluProductKernels : public testing::Test {};
using Types = testing::Types<std::integral_constant<HalfType, HalfType::kBfloat16>,
                             std::integral_constant<HalfType, HalfType::kFloat16>>;
TYPED_TEST_SUITE(GeluProductKernels, Types);

TYPED_TEST(GeluProductKernels, ForwardKeepsTheProductAndWritesItsGelu) {
  constexpr HalfType kType = TypeParam::value;
  for (const Sizes& sizes : kSizes) {
    SCOPED_TRACE(name(sizes));
    std::vector<std::uint16_t> before;
    in_both_orders([&](Order order, Arrival arrival) {
      Product<kType> product(sizes, Factor::kByColumns);
      product.pre.assign(product.pre.size(), 0xffff);
      const GeluProduct work = product.work();
      EmulatedBlock(gelu_product::kThreads, gelu_product::kSharedBytes<Factor::kByColumns>, order,
                    arrival)
          .run(gelu_product::blocks(work),
               [&](EmulatedThread& thread, std::int64_t block, std::uint16_t* shared) {
                 gelu_product::forward<kType>(thread, block, work, shared);
               });
      expect_close(exact<kType>(product.pre), product.product(), kTolerance<kType>, "pre");
      std::vector<double> right = product.inputs();
      for (double& u : right) u = gelu(u);
      expect_close(exact<kType>(product.out), right, kTolerance<kType>, "out");
      EXPECT_TRUE(product.guards_are_whole());
      if (!before.empty()) {
        EXPECT_EQ(product.out, before);
      }
      before = product.out;
    });
  }
}

TYPED_TEST(GeluProductKernels, GradientAndItsSumsOverStripes) {
  constexpr HalfType kType = TypeParam::value;
  for (const Sizes& sizes : kSizes) {
    SCOPED_TRACE(name(sizes));
    in_both_orders([&](Order order, Arrival arrival) {
      Product<kType> product(sizes, Factor::kByRows);
      const GeluProduct work = product.work();
      EmulatedBlock(gelu_product::kThreads, gelu_product::kSharedBytes<Factor::kByRows>, order,
                    arrival)
          .run(gelu_product::blocks(work),
               [&](EmulatedThread& thread, std::int64_t block, std::uint16_t* shared) {
                 gelu_product::gradient<kType>(thread, block, work, shared, product.sums.data());
               });
      std::vector<double> right = product.product();
      const std::vector<double> u = product.inputs();
      for (std::size_t i = 0; i < right.size(); ++i) right[i] *= slope(u[i]);
      expect_close(exact<kType>(product.out), right, kTolerance<kType>, "out");
      const auto width = static_cast<std::size_t>(sizes.columns);
      const std::size_t stripe = static_cast<std::size_t>(kProductStripeRows) * width;
      std::vector<double> sums(static_cast<std::size_t>(product_stripes(sizes.rows)) * width);
      for (std::size_t i = 0; i < right.size(); ++i) {
        sums[i / stripe * width + i % width] += right[i];
      }
      // Of 64 numbers, each rounded once.
      expect_close({product.sums.begin(), product.sums.end()}, sums, 8 * kTolerance<kType>, "sums");
      EXPECT_TRUE(product.guards_are_whole());
    });
  }
}

}  // namespace
}  // namespace sparse_transformer
