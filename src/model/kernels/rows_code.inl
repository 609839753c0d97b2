// The code of rows.h. The rules of attention/kernels/registers.inl hold here.
#include <cstdint>

#include "model/kernels/dropout_code.inl"

namespace sparse_transformer {
namespace {

/// A register's place in a row; the last one may be partly beyond its end.
struct Lanes {
  std::int64_t first, count;
};

template <typename T>
inline Values<T> load(const T* row, Lanes lanes) {
  return load_some(row + lanes.first, lanes.count);
}

template <typename T>
inline void store(T* row, Lanes lanes, Values<T> values) {
  store_some(row + lanes.first, values, lanes.count);
}

/// Calls visit(lanes) for each register of a row.
template <typename T, typename Visit>
inline void for_each_register(std::int64_t width, const Visit& visit) {
  std::int64_t first = 0;
  for (; first + kLanes<T> <= width; first += kLanes<T>) visit(Lanes{first, kLanes<T>});
  if (first < width) visit(Lanes{first, width - first});
}

/// Zeros in the lanes beyond the end of a row.
template <typename T>
inline Values<T> within(Lanes lanes, Values<T> values) {
  for (std::int64_t i = lanes.count; i < kLanes<T>; ++i) values[i] = T(0);
  return values;
}

template <typename T>
T reciprocal_root(T x) {
  return T(1) / static_cast<T>(__builtin_sqrt(double(x)));
}

template <typename T>
void norm_rows(const NormRows<T>& norm, RowRange rows) {
  const std::int64_t width = norm.width;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* x = norm.x + row * width;
    Values<T> sums = {};
    for_each_register<T>(width, [&](Lanes at) { sums += load(x, at); });
    const T mean = sum_of<T>(sums) / static_cast<T>(width);
    Values<T> squares = {};
    for_each_register<T>(width, [&](Lanes at) {
      const Values<T> apart = within<T>(at, load(x, at) - mean);
      squares += apart * apart;
    });
    const T variance = sum_of<T>(squares) / static_cast<T>(width);
    const T factor = reciprocal_root(variance + norm.epsilon);
    for_each_register<T>(width, [&](Lanes at) {
      const Values<T> normal = (load(x, at) - mean) * factor;
      store<T>(norm.y + row * width, at, normal * load(norm.gain, at) + load(norm.shift, at));
    });
    norm.mean[row] = mean;
    norm.reciprocal[row] = factor;
  }
}

/// With z = (x - mean) · r and g = d_y · gain: d_x = d_other + r · (g - mean of g - z · mean of
/// g·z).
template <typename T>
void norm_rows_gradient(const NormRowsGradient<T>& norm, RowRange rows, T* d_gain, T* d_shift) {
  const std::int64_t width = norm.width;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* x = norm.x + row * width;
    const T* d_y = norm.d_y + row * width;
    const T mean = norm.mean[row];
    const T factor = norm.reciprocal[row];
    Values<T> sums = {};
    Values<T> products = {};
    for_each_register<T>(width, [&](Lanes at) {
      const Values<T> normal = (load(x, at) - mean) * factor;
      const Values<T> d = load(d_y, at);
      const Values<T> g = d * load(norm.gain, at);
      sums += g;
      products += g * normal;
      store<T>(d_gain, at, load<T>(d_gain, at) + d * normal);
      store<T>(d_shift, at, load<T>(d_shift, at) + d);
    });
    const T mean_g = sum_of<T>(sums) / static_cast<T>(width);
    const T mean_product = sum_of<T>(products) / static_cast<T>(width);
    for_each_register<T>(width, [&](Lanes at) {
      const Values<T> normal = (load(x, at) - mean) * factor;
      const Values<T> g = load(d_y, at) * load(norm.gain, at);
      store<T>(
          norm.d_x + row * width, at,
          load(norm.d_other + row * width, at) + factor * (g - mean_g - normal * mean_product));
    });
  }
}

/// Calls visit(lanes, what dropout multiplies them with) for each register of a row.
template <typename T, typename Visit>
inline void for_each_dropped(const RowMask& mask, std::int64_t row, std::int64_t width,
                             const Visit& visit) {
  const std::int64_t sequence = row / mask.sequence_rows;
  const std::int64_t first = row % mask.sequence_rows * width;
  T factors[kMaskElements];
  for (std::int64_t column = 0; column < width; column += kMaskElements) {
    const std::int64_t left = width - column;
    const std::int64_t count = left < kMaskElements ? left : kMaskElements;
    form_factors(mask, sequence, first + column, count, factors);
    for_each_register<T>(count, [&](Lanes at) {
      visit(Lanes{column + at.first, at.count}, load(factors, at));
    });
  }
}

template <typename T>
void drop_rows(const DroppedRows<T>& drop, RowRange rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * drop.width;
    for_each_dropped<T>(drop.mask, row, drop.width, [&](Lanes at, Values<T> factors) {
      store<T>(drop.y + first, at, load(drop.x + first, at) * factors);
    });
  }
}

template <typename T>
void drop_and_sum_rows(const DroppedRows<T>& drop, RowRange rows, T* sums) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * drop.width;
    for_each_dropped<T>(drop.mask, row, drop.width, [&](Lanes at, Values<T> factors) {
      const Values<T> dropped = load(drop.x + first, at) * factors;
      store<T>(drop.y + first, at, dropped);
      store<T>(sums, at, load<T>(sums, at) + dropped);
    });
  }
}

template <typename T>
void residual_rows(const ResidualRows<T>& residual, RowRange rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * residual.width;
    const auto branch = [&](Lanes at) {
      return load(residual.y + first, at) + load(residual.bias, at);
    };
    const auto add = [&](Lanes at, Values<T> added) {
      store<T>(residual.out + first, at, load(residual.h + first, at) + added);
    };
    if (residual.mask.threshold == 0) {
      for_each_register<T>(residual.width, [&](Lanes at) { add(at, branch(at)); });
    } else {
      for_each_dropped<T>(residual.mask, row, residual.width,
                          [&](Lanes at, Values<T> factors) { add(at, branch(at) * factors); });
    }
  }
}

constexpr double kSlope = 1.702;

template <typename T>
void gelu_rows(const GeluRows<T>& gelu, RowRange rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * gelu.width;
    for_each_register<T>(gelu.width, [&](Lanes at) {
      const Values<T> u = load(gelu.x + first, at) + load(gelu.bias, at);
      store<T>(gelu.y + first, at, u * sigmoid<T>(T(kSlope) * u));
    });
  }
}

/// With s = sigmoid(1.702 · u): dy/du = s + 1.702 · u · s · (1 - s).
template <typename T>
void gelu_rows_gradient(const GeluRowsGradient<T>& gelu, RowRange rows, T* d_bias) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * gelu.width;
    for_each_register<T>(gelu.width, [&](Lanes at) {
      const Values<T> u = load(gelu.x + first, at) + load(gelu.bias, at);
      const Values<T> s = sigmoid<T>(T(kSlope) * u);
      const Values<T> d = load(gelu.d_y + first, at) * (s + T(kSlope) * u * s * (T(1) - s));
      store<T>(gelu.d_x + first, at, d);
      store<T>(d_bias, at, load<T>(d_bias, at) + d);
    });
  }
}

template <typename T>
constexpr RowKernels<T> kRowKernels = {norm_rows<T>,         norm_rows_gradient<T>, drop_rows<T>,
                                       drop_and_sum_rows<T>, residual_rows<T>,      gelu_rows<T>,
                                       gelu_rows_gradient<T>};

}  // namespace
}  // namespace sparse_transformer
