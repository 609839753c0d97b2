// Products that end in the non-linearity (model/kernels/gelu_product.cu) against float64.
#include "model/kernels/gelu_product.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "tests/cuda/device_buffer.h"
#include "tests/cuda/half.h"
#include "tests/cuda/random_numbers.h"

namespace sparse_transformer {
namespace {

struct Sizes {
  std::int64_t rows, columns, depth;
};

/// A tile; edges on all sides and more steps than stages; less than a tile; more rows of tiles than
/// go together, the last of them alone.
constexpr Sizes kSizes[] = {{128, 128, 32}, {200, 136, 168}, {3, 264, 8}, {1100, 136, 40}};

using Case = std::tuple<HalfType, Sizes>;

std::string name(const Case& c) {
  const auto& [type, sizes] = c;
  return std::string(type == HalfType::kBfloat16 ? "Bfloat16_" : "Float16_") +
         std::to_string(sizes.rows) + "x" + std::to_string(sizes.columns) + "x" +
         std::to_string(sizes.depth);
}

class GeluProduct : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Cases, GeluProduct,
                         testing::Combine(testing::Values(HalfType::kBfloat16, HalfType::kFloat16),
                                          testing::ValuesIn(kSizes)),
                         [](const auto& its) { return name(its.param); });

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double gelu(double u) { return u * sigmoid(1.702 * u); }
double gelu_derivative(double u) {
  const double s = sigmoid(1.702 * u);
  return s + 1.702 * u * s * (1.0 - s);
}

/// The operands and results of a kernel. b: [columns, depth] for the forward pass, else
/// [depth, columns].
template <typename T>
class Product {
 public:
  explicit Product(const Sizes& sizes)
      : sizes_(sizes),
        a_values_(exact(rounded<T>(random_.normal(count(sizes.rows, sizes.depth))))),
        b_values_(
            exact(rounded<T>(random_.normal(count(sizes.depth, sizes.columns),
                                            1.0 / std::sqrt(static_cast<double>(sizes.depth)))))),
        bias_values_(random_.normal(static_cast<std::size_t>(sizes.columns), 0.5)),
        a(narrow(a_values_)),
        b(narrow(b_values_)),
        pre(count(sizes.rows, sizes.columns)),
        out(count(sizes.rows, sizes.columns)),
        bias(bias_values_),
        sums(count(product_stripes(sizes.rows), sizes.columns)) {}

  GeluProductParams params() const {
    const auto bits = [](const DeviceBuffer<T>& x) {
      return reinterpret_cast<std::uint16_t*>(x.data());
    };
    return {sizes_.rows, sizes_.columns, sizes_.depth, bits(a),
            bits(b),     bias.data(),    bits(pre),    bits(out)};
  }

  /// a·bᵀ where b is column-major, else a·b.
  std::vector<double> product(bool is_column_major) const {
    const auto rows = static_cast<std::size_t>(sizes_.rows);
    const auto columns = static_cast<std::size_t>(sizes_.columns);
    const auto depth = static_cast<std::size_t>(sizes_.depth);
    std::vector<double> result(rows * columns);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        for (std::size_t k = 0; k < depth; ++k) {
          result[i * columns + j] += a_values_[i * depth + k] *
                                     b_values_[is_column_major ? j * depth + k : k * columns + j];
        }
      }
    }
    return result;
  }

  /// pre + bias, as the kernels see it.
  std::vector<double> inputs() const {
    std::vector<double> u = exact(pre.read());
    for (std::size_t i = 0; i < u.size(); ++i) u[i] += bias_values_[i % bias_values_.size()];
    return u;
  }

 private:
  static std::size_t count(std::int64_t rows, std::int64_t columns) {
    return static_cast<std::size_t>(rows * columns);
  }
  static std::vector<T> narrow(const std::vector<double>& x) {
    return rounded<T>(std::vector<float>(x.begin(), x.end()));
  }

  Sizes sizes_;
  RandomNumbers random_{1};
  std::vector<double> a_values_, b_values_;
  std::vector<float> bias_values_;

 public:
  DeviceBuffer<T> a, b, pre, out;
  DeviceBuffer<float> bias, sums;
};

void expect_close(const std::vector<double>& result, const std::vector<double>& right,
                  double tolerance, const std::string& what) {
  ASSERT_EQ(result.size(), right.size());
  for (std::size_t i = 0; i < right.size(); ++i) {
    ASSERT_LE(std::abs(result[i] - right[i]), tolerance * std::max(1.0, std::abs(right[i])))
        << what << " " << i;
  }
}

/// Calls run(a number of the type).
template <typename Run>
void with_type(HalfType type, const Run& run) {
  if (type == HalfType::kBfloat16) return run(Bfloat16{});
  run(Float16{});
}

TEST_P(GeluProduct, ForwardKeepsTheProductAndWritesItsGelu) {
  const auto& [type, sizes] = GetParam();
  with_type(type, [&, its_type = type, its_sizes = sizes](auto number) {
    using T = decltype(number);
    const Product<T> product(its_sizes);
    expect_success(launch_gelu_product(product.params(), its_type, nullptr));
    // Both are rounded once; the GELU is that of the rounded product.
    const double tolerance = 1e-5 + 1.01 * kRounding<T>;
    expect_close(exact(product.pre.read()), product.product(true), tolerance, "pre");
    std::vector<double> right = product.inputs();
    for (double& u : right) u = gelu(u);
    expect_close(exact(product.out.read()), right, tolerance, "out");
  });
}

TEST_P(GeluProduct, GradientAndItsSumsOverStripes) {
  const auto& [type, sizes] = GetParam();
  with_type(type, [&, its_type = type, its_sizes = sizes](auto number) {
    using T = decltype(number);
    Product<T> product(its_sizes);
    product.pre.write(rounded<T>(RandomNumbers(3).normal(product.pre.size())));
    expect_success(
        launch_gelu_product_gradient(product.params(), its_type, product.sums.data(), nullptr));
    // The product is rounded, and so is the result.
    std::vector<double> right = product.product(false);
    const std::vector<double> u = product.inputs();
    for (std::size_t i = 0; i < right.size(); ++i) right[i] *= gelu_derivative(u[i]);
    expect_close(exact(product.out.read()), right, 1e-5 + 2.5 * kRounding<T>, "out");
    const auto width = static_cast<std::size_t>(its_sizes.columns);
    const std::size_t stripe = static_cast<std::size_t>(kProductStripeRows) * width;
    std::vector<double> sums(product.sums.size());
    for (std::size_t i = 0; i < right.size(); ++i) sums[i / stripe * width + i % width] += right[i];
    // Of 64 numbers, each rounded once.
    expect_close(exact(product.sums.read()), sums, 16 * kRounding<T>, "sums");
  });
}

}  // namespace
}  // namespace sparse_transformer
