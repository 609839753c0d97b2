// Layer norm, dropout, residual and the non-linearity on CUDA (model/kernels/*.cu) against their
// definitions in float64.
#include "model/kernels/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "model/kernels/rows_launch.h"
#include "runtime/philox.h"
#include "tests/cuda/device_buffer.h"
#include "tests/cuda/half.h"
#include "tests/cuda/random_numbers.h"

namespace sparse_transformer {
namespace {

enum class NumberType { kFloat32, kBfloat16, kFloat16 };

/// Which operands begin at no multiple of 16 bytes.
enum class Unaligned { kNone, kX, kY, kD, kGain, kBias, kOutput, kAll };

struct RowsCase {
  NumberType type;
  std::int64_t sequences, positions, width;
  Unaligned unaligned = Unaligned::kNone;

  std::int64_t rows() const { return sequences * positions; }
  bool is_aligned(Unaligned operand) const {
    return unaligned != Unaligned::kAll && unaligned != operand;
  }
  std::string name() const {
    const char* const types[] = {"Float32", "Bfloat16", "Float16"};
    const char* const operands[] = {"", "_x", "_y", "_d", "_gain", "_bias", "_output", ""};
    return std::string(types[static_cast<int>(type)]) + "_" + std::to_string(sequences) + "x" +
           std::to_string(positions) + "x" + std::to_string(width) +
           operands[static_cast<int>(unaligned)] +
           (unaligned == Unaligned::kNone ? "" : "_unaligned");
  }
};
void PrintTo(const RowsCase& c, std::ostream* stream) { *stream << c.name(); }

/// Widths of a tile, of more and of less; rows that fill no stripe; one number at a time because of
/// the width or because of an address, of all operands or of a single one.
std::vector<RowsCase> cases() {
  std::vector<RowsCase> all;
  for (const NumberType type :
       {NumberType::kFloat32, NumberType::kBfloat16, NumberType::kFloat16}) {
    for (const auto& [sequences, positions, width] : std::vector<std::array<std::int64_t, 3>>{
             {2, 20, 64}, {3, 11, 296}, {1, 1, 8}, {2, 45, 256}}) {
      all.push_back({type, sequences, positions, width});
      all.push_back({type, sequences, positions, width, Unaligned::kAll});
    }
    for (const Unaligned one : {Unaligned::kX, Unaligned::kY, Unaligned::kD, Unaligned::kGain,
                                Unaligned::kBias, Unaligned::kOutput}) {
      all.push_back({type, 1, 3, 64, one});
    }
    all.push_back({type, 2, 17, 37});
    all.push_back({type, 1, 5, 1});
  }
  return all;
}

/// Calls run(a number of the type).
template <typename Run>
void with_type(NumberType type, const Run& run) {
  if (type == NumberType::kFloat32) return run(float{});
  if (type == NumberType::kBfloat16) return run(Bfloat16{});
  run(Float16{});
}

/// A matrix or vector on the device, at an address that is a multiple of 16 bytes or just not one.
template <typename T>
class Numbers {
 public:
  Numbers(const std::vector<float>& values, bool is_aligned)
      : offset_(is_aligned ? 0 : 1), buffer_(values.size() + offset_), size_(values.size()) {
    std::vector<T> all(offset_);
    const std::vector<T> numbers = rounded<T>(values);
    all.insert(all.end(), numbers.begin(), numbers.end());
    if (size_ > 0) buffer_.write(all);
    exact_ = exact(numbers);
  }
  /// Poisoned.
  Numbers(std::size_t size, bool is_aligned)
      : offset_(is_aligned ? 0 : 1), buffer_(size + offset_), size_(size) {}

  T* data() const { return buffer_.data() + offset_; }
  /// What it was filled with, rounded to the type.
  const std::vector<double>& values() const { return exact_; }
  std::vector<double> read() const {
    std::vector<double> all = exact(buffer_.read());
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(offset_));
    return all;
  }

 private:
  std::size_t offset_;
  DeviceBuffer<T> buffer_;
  std::size_t size_;
  std::vector<double> exact_;
};

/// The operands of a case.
template <typename T>
struct Operands {
  explicit Operands(const RowsCase& c)
      : rows(static_cast<std::size_t>(c.rows())),
        width(static_cast<std::size_t>(c.width)),
        has_aligned_output(c.is_aligned(Unaligned::kOutput)),
        x(matrix(), c.is_aligned(Unaligned::kX)),
        y(matrix(), c.is_aligned(Unaligned::kY)),
        d(matrix(), c.is_aligned(Unaligned::kD)),
        gain(vector(), c.is_aligned(Unaligned::kGain)),
        bias(vector(), c.is_aligned(Unaligned::kBias)) {}

  std::vector<float> matrix() { return random.normal(rows * width); }
  std::vector<float> vector() { return random.normal(width); }
  Numbers<T> output() const { return Numbers<T>(rows * width, has_aligned_output); }
  DeviceBuffer<float> sums(std::size_t count) const {
    return DeviceBuffer<float>(
        static_cast<std::size_t>(stripes(std::ssize(x.values()) / std::ssize(gain.values()))) *
        count * width);
  }
  double bias_at(std::size_t i) const { return bias.values()[i % width]; }

  RandomNumbers random{7};
  std::size_t rows, width;
  bool has_aligned_output;
  Numbers<T> x, y, d;
  Numbers<float> gain, bias;
};

void expect_close(const std::vector<double>& result, const std::vector<double>& exact,
                  double tolerance, const std::string& what) {
  ASSERT_EQ(result.size(), exact.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    ASSERT_LE(std::abs(result[i] - exact[i]), tolerance * std::max(1.0, std::abs(exact[i])))
        << what << " " << i << ": " << result[i] << " instead of " << exact[i];
  }
}

/// Sums [stripes, count, width] over the stripes.
std::vector<double> total(const DeviceBuffer<float>& sums, std::size_t count, std::size_t width) {
  std::vector<double> result(count * width);
  const std::vector<float> all = sums.read();
  for (std::size_t i = 0; i < all.size(); ++i) result[i % result.size()] += all[i];
  return result;
}

/// Sums of the columns of a matrix.
std::vector<double> column_sums(const std::vector<double>& matrix, std::size_t width) {
  std::vector<double> sums(width);
  for (std::size_t i = 0; i < matrix.size(); ++i) sums[i % width] += matrix[i];
  return sums;
}

/// Float32 arithmetic of some operations, and a rounding to the type.
template <typename T>
constexpr double kTolerance = 2e-6 + 1.01 * kRounding<T>;
constexpr double kSumTolerance = 2e-5;

// A suite for each family of kernels.
class LayerNorm : public testing::TestWithParam<RowsCase> {};
class Dropout : public testing::TestWithParam<RowsCase> {};
class Residual : public testing::TestWithParam<RowsCase> {};
class Gelu : public testing::TestWithParam<RowsCase> {};

std::string test_name(const testing::TestParamInfo<RowsCase>& its) { return its.param.name(); }
INSTANTIATE_TEST_SUITE_P(Cases, LayerNorm, testing::ValuesIn(cases()), test_name);
INSTANTIATE_TEST_SUITE_P(Cases, Dropout, testing::ValuesIn(cases()), test_name);
INSTANTIATE_TEST_SUITE_P(Cases, Residual, testing::ValuesIn(cases()), test_name);
INSTANTIATE_TEST_SUITE_P(Cases, Gelu, testing::ValuesIn(cases()), test_name);

/// Layer norm of a row and its gradient, in float64.
struct ExactNorm {
  template <typename T>
  ExactNorm(const Operands<T>& in, double epsilon) {
    const std::size_t width = in.width;
    d_gain.resize(width);
    d_shift.resize(width);
    for (std::size_t row = 0; row < in.rows; ++row) {
      const double* const x = in.x.values().data() + row * width;
      const double* const d_y = in.d.values().data() + row * width;
      double sum = 0.0, squares = 0.0, mean_g = 0.0, mean_gz = 0.0;
      for (std::size_t i = 0; i < width; ++i) sum += x[i];
      mean.push_back(sum / static_cast<double>(width));
      for (std::size_t i = 0; i < width; ++i) squares += (x[i] - mean[row]) * (x[i] - mean[row]);
      reciprocal.push_back(1 / std::sqrt(squares / static_cast<double>(width) + epsilon));
      const auto z = [&](std::size_t i) { return (x[i] - mean[row]) * reciprocal[row]; };
      for (std::size_t i = 0; i < width; ++i) {
        const double gain = in.gain.values()[i];
        y.push_back(z(i) * gain + in.bias.values()[i]);
        mean_g += d_y[i] * gain / static_cast<double>(width);
        mean_gz += d_y[i] * gain * z(i) / static_cast<double>(width);
        d_gain[i] += d_y[i] * z(i);
        d_shift[i] += d_y[i];
      }
      for (std::size_t i = 0; i < width; ++i) {
        const double g = d_y[i] * in.gain.values()[i];
        d_x.push_back(in.y.values()[row * width + i] +
                      reciprocal[row] * (g - mean_g - z(i) * mean_gz));
      }
    }
  }
  std::vector<double> y, mean, reciprocal, d_x, d_gain, d_shift;
};

TEST_P(LayerNorm, IsExactForwardAndBackward) {
  with_type(GetParam().type, [](auto number) {
    using T = decltype(number);
    const Operands<T> in(GetParam());
    const auto rows = static_cast<std::int64_t>(in.rows),
               width = static_cast<std::int64_t>(in.width);
    const Numbers<T> y = in.output(), d_x = in.output();
    const DeviceBuffer<float> mean(in.rows), reciprocal(in.rows), sums = in.sums(2);
    expect_success(launch_norm<T>({width, 1e-5F, in.x.data(), in.gain.data(), in.bias.data(),
                                   y.data(), mean.data(), reciprocal.data()},
                                  rows, nullptr));
    expect_success(
        launch_norm_gradient<T>({width, in.x.data(), in.gain.data(), mean.data(), reciprocal.data(),
                                 in.d.data(), in.y.data(), d_x.data()},
                                rows, sums.data(), nullptr));
    const ExactNorm right(in, 1e-5);
    expect_close(y.read(), right.y, 2 * kTolerance<T>, "y");
    expect_close(exact(mean.read()), right.mean, 1e-6, "mean");
    expect_close(exact(reciprocal.read()), right.reciprocal, 1e-5, "reciprocal");
    // Where a row has one number, its variance is 0 and 1/√(variance + ε) large.
    const double scale = in.width == 1 ? 500.0 : 5.0;
    expect_close(d_x.read(), right.d_x, scale * kTolerance<T>, "d_x");
    std::vector<double> both = right.d_gain;
    both.insert(both.end(), right.d_shift.begin(), right.d_shift.end());
    expect_close(total(sums, 2, in.width), both, scale * kSumTolerance, "d_gain and d_shift");
  });
}

// The variance is that of the differences from the mean, however large the mean.
TEST(NormRows, AMeanFarFromZeroLeavesTheVariance) {
  constexpr std::size_t kWidth = 64;
  std::vector<float> x = RandomNumbers(9).normal(kWidth);
  for (float& number : x) number += 1000.0F;
  double mean = 0.0, variance = 0.0;
  for (const float number : x) mean += number / static_cast<double>(kWidth);
  for (const float number : x) {
    variance += (number - mean) * (number - mean) / static_cast<double>(kWidth);
  }
  const DeviceBuffer<float> rows(x), y(kWidth), mean_of(1), reciprocal(1);
  const DeviceBuffer<float> gain(std::vector<float>(kWidth, 1.0F));
  const DeviceBuffer<float> shift(std::vector<float>(kWidth, 0.0F));
  expect_success(launch_norm<float>({kWidth, 1e-5F, rows.data(), gain.data(), shift.data(),
                                     y.data(), mean_of.data(), reciprocal.data()},
                                    1, nullptr));
  EXPECT_NEAR(reciprocal.read()[0], 1 / std::sqrt(variance + 1e-5), 1e-4);
}

constexpr double kP = 0.3;

/// The mask of dropout with probability kP, or 0.
RowMask mask_of(const RowsCase& c, double p) {
  return {.seed = 3,
          .step = 5,
          .first_sequence = 2,
          .site = 7,
          .step_in_memory = nullptr,
          .threshold = static_cast<std::uint32_t>(p * 0x1p32),
          .factor = 1 / (1 - p),
          .sequence_rows = c.positions};
}

/// What it multiplies number `i` of the matrix with (rows.h).
double factor_at(const RowMask& mask, std::size_t i, const RowsCase& c) {
  const auto sequence_numbers = static_cast<std::size_t>(c.positions * c.width);
  const std::size_t sequence = i / sequence_numbers, element = i % sequence_numbers;
  const PhiloxWords words = philox_words(
      mask.seed, {{static_cast<std::uint32_t>(element / 4), mask.step,
                   mask.first_sequence + static_cast<std::uint32_t>(sequence), mask.site}});
  return words.word[element % 4] >= mask.threshold ? static_cast<float>(mask.factor) : 0.0;
}

TEST_P(Dropout, DrawsTheMaskAndSumsTheRest) {
  with_type(GetParam().type, [](auto number) {
    using T = decltype(number);
    const RowsCase& c = GetParam();
    const Operands<T> in(c);
    const RowMask told = mask_of(c, kP);
    const DeviceBuffer<std::int64_t> step(std::vector<std::int64_t>{told.step});
    RowMask read = told;
    read.step = 99;
    read.step_in_memory = step.data();
    std::vector<double> right = in.x.values();
    for (std::size_t i = 0; i < right.size(); ++i) right[i] *= factor_at(told, i, c);
    for (const RowMask& mask : {told, read}) {
      const Numbers<T> y = in.output(), z = in.output();
      const DeviceBuffer<float> sums = in.sums(1);
      expect_success(launch_drop<T>({c.width, in.x.data(), y.data(), mask}, c.rows(), nullptr));
      expect_success(launch_drop_and_sum<T>({c.width, in.x.data(), z.data(), mask}, c.rows(),
                                            sums.data(), nullptr));
      expect_close(y.read(), right, kTolerance<T>, "y");
      EXPECT_EQ(y.read(), z.read());
      expect_close(total(sums, 1, in.width), column_sums(right, in.width), kSumTolerance, "sums");
    }
  });
}

TEST(DroppedRows, AWordThatEqualsTheThresholdStays) {
  const RowsCase c = {NumberType::kFloat32, 1, 1, 8};
  const Operands<float> in(c);
  RowMask mask = mask_of(c, kP);
  mask.threshold =
      philox_words(mask.seed, {{0, mask.step, mask.first_sequence, mask.site}}).word[2];
  const Numbers<float> y = in.output();
  expect_success(launch_drop<float>({c.width, in.x.data(), y.data(), mask}, c.rows(), nullptr));
  EXPECT_NEAR(y.read()[2], in.x.values()[2] * mask.factor, 1e-6);
}

TEST_P(Residual, IsExactWithAndWithoutDropout) {
  with_type(GetParam().type, [](auto number) {
    using T = decltype(number);
    const RowsCase& c = GetParam();
    const Operands<T> in(c);
    for (const double p : {0.0, kP}) {
      const RowMask mask = mask_of(c, p);
      const Numbers<T> out = in.output();
      expect_success(
          launch_residual<T>({c.width, in.x.data(), in.y.data(), in.bias.data(), out.data(), mask},
                             c.rows(), nullptr));
      std::vector<double> right = in.x.values();
      for (std::size_t i = 0; i < right.size(); ++i) {
        right[i] += (in.y.values()[i] + in.bias_at(i)) * (p == 0.0 ? 1.0 : factor_at(mask, i, c));
      }
      expect_close(out.read(), right, kTolerance<T>, "sum");
    }
  });
}

TEST_P(Gelu, IsExactForwardAndBackward) {
  with_type(GetParam().type, [](auto number) {
    using T = decltype(number);
    const RowsCase& c = GetParam();
    const Operands<T> in(c);
    const Numbers<T> y = in.output(), d_x = in.output();
    const DeviceBuffer<float> sums = in.sums(1);
    expect_success(
        launch_gelu<T>({c.width, in.x.data(), in.bias.data(), y.data()}, c.rows(), nullptr));
    expect_success(
        launch_gelu_gradient<T>({c.width, in.x.data(), in.bias.data(), in.d.data(), d_x.data()},
                                c.rows(), sums.data(), nullptr));
    std::vector<double> right, right_gradient;
    for (std::size_t i = 0; i < in.x.values().size(); ++i) {
      const double u = in.x.values()[i] + in.bias_at(i), s = 1 / (1 + std::exp(-1.702 * u));
      right.push_back(u * s);
      right_gradient.push_back(in.d.values()[i] * (s + 1.702 * u * s * (1 - s)));
    }
    expect_close(y.read(), right, kTolerance<T>, "y");
    expect_close(d_x.read(), right_gradient, kTolerance<T>, "d_x");
    expect_close(total(sums, 1, in.width), column_sums(right_gradient, in.width), kSumTolerance,
                 "d_bias");
  });
}

// No exponential of a large number is divided by another.
TEST(GeluRows, LargeNumbersStayAsTheyAreOrBecomeZero) {
  const std::vector<float> x = {60.0F, -60.0F, 1e4F, -1e4F, 1e30F, -1e30F, 100.0F, -100.0F};
  const auto width = std::ssize(x);
  const DeviceBuffer<float> rows(x), d(std::vector<float>(x.size(), 1.0F));
  const DeviceBuffer<float> bias(std::vector<float>(x.size(), 0.0F)), y(x.size()), d_x(x.size());
  const DeviceBuffer<float> sums(x.size());
  expect_success(launch_gelu<float>({width, rows.data(), bias.data(), y.data()}, 1, nullptr));
  expect_success(launch_gelu_gradient<float>(
      {width, rows.data(), bias.data(), d.data(), d_x.data()}, 1, sums.data(), nullptr));
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(y.read()[i], std::max(x[i], 0.0F), 1e-6 * std::abs(x[i])) << x[i];
    EXPECT_NEAR(d_x.read()[i], x[i] > 0 ? 1.0 : 0.0, 1e-6) << x[i];
  }
}

}  // namespace
}  // namespace sparse_transformer
