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

inline Values<float> load(const Bfloat16* row, Lanes lanes) {
  return load_some(row + lanes.first, lanes.count);
}
inline void store(Bfloat16* row, Lanes lanes, Values<float> values) {
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

template <typename T, typename P>
void norm_rows(const NormRows<T, P>& norm, RowRange rows) {
  const std::int64_t width = norm.width;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* x = norm.x + row * width;
    Values<P> sums = {};
    for_each_register<P>(width, [&](Lanes at) { sums += load(x, at); });
    const P mean = sum_of<P>(sums) / static_cast<P>(width);
    Values<P> squares = {};
    for_each_register<P>(width, [&](Lanes at) {
      const Values<P> apart = within<P>(at, load(x, at) - mean);
      squares += apart * apart;
    });
    const P variance = sum_of<P>(squares) / static_cast<P>(width);
    const P factor = reciprocal_root(variance + norm.epsilon);
    for_each_register<P>(width, [&](Lanes at) {
      const Values<P> normal = (load(x, at) - mean) * factor;
      store(norm.y + row * width, at, normal * load(norm.gain, at) + load(norm.shift, at));
    });
    norm.mean[row] = mean;
    norm.reciprocal[row] = factor;
  }
}

/// With z = (x - mean) · r and g = d_y · gain: d_x = d_other + r · (g - mean of g - z · mean of
/// g·z).
template <typename T, typename P>
void norm_rows_gradient(const NormRowsGradient<T, P>& norm, RowRange rows, P* d_gain, P* d_shift) {
  const std::int64_t width = norm.width;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* x = norm.x + row * width;
    const T* d_y = norm.d_y + row * width;
    const P mean = norm.mean[row];
    const P factor = norm.reciprocal[row];
    Values<P> sums = {};
    Values<P> products = {};
    for_each_register<P>(width, [&](Lanes at) {
      const Values<P> normal = (load(x, at) - mean) * factor;
      const Values<P> d = load(d_y, at);
      const Values<P> g = d * load(norm.gain, at);
      sums += g;
      products += g * normal;
      store(d_gain, at, load(d_gain, at) + d * normal);
      store(d_shift, at, load(d_shift, at) + d);
    });
    const P mean_g = sum_of<P>(sums) / static_cast<P>(width);
    const P mean_product = sum_of<P>(products) / static_cast<P>(width);
    for_each_register<P>(width, [&](Lanes at) {
      const Values<P> normal = (load(x, at) - mean) * factor;
      const Values<P> g = load(d_y, at) * load(norm.gain, at);
      store(norm.d_x + row * width, at,
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

template <typename T, typename P>
void drop_rows(const DroppedRows<T>& drop, RowRange rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * drop.width;
    for_each_dropped<P>(drop.mask, row, drop.width, [&](Lanes at, Values<P> factors) {
      store(drop.y + first, at, load(drop.x + first, at) * factors);
    });
  }
}

template <typename T, typename P>
void drop_and_sum_rows(const DroppedRows<T>& drop, RowRange rows, P* sums) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * drop.width;
    for_each_dropped<P>(drop.mask, row, drop.width, [&](Lanes at, Values<P> factors) {
      const Values<P> dropped = load(drop.x + first, at) * factors;
      store(drop.y + first, at, dropped);
      store(sums, at, load(sums, at) + dropped);
    });
  }
}

template <typename T, typename P>
void residual_rows(const ResidualRows<T, P>& residual, RowRange rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * residual.width;
    const auto branch = [&](Lanes at) {
      return load(residual.y + first, at) + load(residual.bias, at);
    };
    const auto add = [&](Lanes at, Values<P> added) {
      store(residual.out + first, at, load(residual.h + first, at) + added);
    };
    if (residual.mask.threshold == 0) {
      for_each_register<P>(residual.width, [&](Lanes at) { add(at, branch(at)); });
    } else {
      for_each_dropped<P>(residual.mask, row, residual.width,
                          [&](Lanes at, Values<P> factors) { add(at, branch(at) * factors); });
    }
  }
}

constexpr double kSlope = 1.702;

template <typename T, typename P>
void gelu_rows(const GeluRows<T, P>& gelu, RowRange rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * gelu.width;
    for_each_register<P>(gelu.width, [&](Lanes at) {
      const Values<P> u = load(gelu.x + first, at) + load(gelu.bias, at);
      store(gelu.y + first, at, u * sigmoid<P>(P(kSlope) * u));
    });
  }
}

/// With s = sigmoid(1.702 · u): dy/du = s + 1.702 · u · s · (1 - s).
template <typename T, typename P>
void gelu_rows_gradient(const GeluRowsGradient<T, P>& gelu, RowRange rows, P* d_bias) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t first = row * gelu.width;
    for_each_register<P>(gelu.width, [&](Lanes at) {
      const Values<P> u = load(gelu.x + first, at) + load(gelu.bias, at);
      const Values<P> s = sigmoid<P>(P(kSlope) * u);
      const Values<P> d = load(gelu.d_y + first, at) * (s + P(kSlope) * u * s * (P(1) - s));
      store(gelu.d_x + first, at, d);
      store(d_bias, at, load(d_bias, at) + d);
    });
  }
}

template <typename T, typename P = T>
constexpr RowKernels<T, P> kRowKernels = {
    norm_rows<T, P>,     norm_rows_gradient<T, P>, drop_rows<T, P>,         drop_and_sum_rows<T, P>,
    residual_rows<T, P>, gelu_rows<T, P>,          gelu_rows_gradient<T, P>};

}  // namespace
}  // namespace sparse_transformer
