// Sparse attention and its gradient by their definition in float64, with bounds of what rounding
// may do to them, for tests of kernels in half precision.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "attention/head_shape.h"

namespace sparse_transformer {

struct AttentionSize {
  std::size_t batch, n, heads;
  HeadShape shape;

  std::size_t query_width() const { return static_cast<std::size_t>(shape.query_width); }
  std::size_t value_width() const { return static_cast<std::size_t>(shape.value_width); }
  std::size_t packed_width() const { return static_cast<std::size_t>(shape.packed_width()); }
  std::size_t rows() const { return batch * n * heads; }
};

/// Whether query i sees key j in a head.
using Sees = std::function<bool(std::size_t head, std::size_t i, std::size_t j)>;

/// A result, and how far from it each number may be for each unit of relative rounding error.
struct Bounded {
  explicit Bounded(std::size_t size) : exact(size), bound(size) {}
  std::vector<double> exact, bound;
};

/// packed: [batch, n, heads, 2·query_width + value_width]; d_out: [batch, n, heads, value_width].
///
/// With u the largest relative rounding error of a half-precision number, kernels round weights,
/// their gradients, and what `pieces` pieces of a union leave in memory. So
///
///     |error of out_i|  <= u · (1 + pieces) · max_j |v_j|,
///     |error of dv_j|   <= u · (1 + pieces) · Σ_i p_ij·|do_i|,
///     |error of ds_ij|  <= u · |ds_ij| + p_ij · Σ|do_i| · |error of out_i|,
///
/// and dq and dk follow from ds.
class AttentionReference {
 public:
  AttentionReference(const AttentionSize& size, const std::vector<double>& packed,
                     const std::vector<double>& d_out, const Sees& sees, double pieces)
      : out(size.rows() * size.value_width()),
        d_packed(size.rows() * size.packed_width()),
        lse(size.rows()),
        size_(size),
        packed_(packed),
        d_out_(d_out),
        rounds_(1.0 + pieces) {
    for (std::size_t b = 0; b < size.batch; ++b) {
      for (std::size_t head = 0; head < size.heads; ++head) compute_head(b, head, sees);
    }
  }

  Bounded out, d_packed;
  std::vector<double> lse;  // -inf where a query has no key

 private:
  std::size_t row(std::size_t b, std::size_t t, std::size_t head) const {
    return (b * size_.n + t) * size_.heads + head;
  }
  /// Where the query, key (1) or value (2) of a row begins.
  std::size_t part(std::size_t its_row, std::size_t which) const {
    return its_row * size_.packed_width() + which * size_.query_width();
  }
  double dot(const double* a, const double* b, std::size_t count) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) sum += a[i] * b[i];
    return sum;
  }

  void compute_head(std::size_t b, std::size_t head, const Sees& sees) {
    for (std::size_t i = 0; i < size_.n; ++i) {
      std::vector<std::size_t> keys;
      for (std::size_t j = 0; j <= i; ++j) {
        if (sees(head, i, j)) keys.push_back(j);
      }
      compute_query(b, head, i, keys);
    }
  }

  void compute_query(std::size_t b, std::size_t head, std::size_t i,
                     const std::vector<std::size_t>& keys) {
    const std::size_t own = row(b, i, head), width = size_.value_width();
    std::vector<double> weights;
    double sum = 0.0, largest_value = 0.0;
    for (const std::size_t j : keys) {
      const std::size_t other = row(b, j, head);
      weights.push_back(
          std::exp(size_.shape.scale *
                   dot(&packed_[part(own, 0)], &packed_[part(other, 1)], size_.query_width())));
      sum += weights.back();
    }
    lse[own] = std::log(sum);
    double* const own_out = &out.exact[own * width];
    for (std::size_t k = 0; k < keys.size(); ++k) {
      weights[k] /= sum;
      const double* const value = &packed_[part(row(b, keys[k], head), 2)];
      for (std::size_t c = 0; c < width; ++c) {
        own_out[c] += weights[k] * value[c];
        largest_value = std::max(largest_value, std::fabs(value[c]));
      }
    }
    const double* const own_d_out = &d_out_[own * width];
    double d_out_size = 0.0;
    for (std::size_t c = 0; c < width; ++c) {
      out.bound[own * width + c] = rounds_ * largest_value;
      d_out_size += std::fabs(own_d_out[c]);
    }
    const double delta = dot(own_d_out, own_out, width);
    const double delta_error = d_out_size * rounds_ * largest_value;
    for (std::size_t k = 0; k < keys.size(); ++k) {
      add_gradients(own, row(b, keys[k], head), weights[k], delta, delta_error);
    }
  }

  void add_gradients(std::size_t query_row, std::size_t key_row, double weight, double delta,
                     double delta_error) {
    const std::size_t query = part(query_row, 0), key = part(key_row, 1), value = part(key_row, 2);
    const double* const d_out = &d_out_[query_row * size_.value_width()];
    const double d_score = weight * (dot(d_out, &packed_[value], size_.value_width()) - delta);
    const double d_score_error = rounds_ * std::fabs(d_score) + weight * delta_error;
    for (std::size_t c = 0; c < size_.value_width(); ++c) {
      d_packed.exact[value + c] += weight * d_out[c];
      d_packed.bound[value + c] += rounds_ * weight * std::fabs(d_out[c]);
    }
    for (std::size_t c = 0; c < size_.query_width(); ++c) {
      const double q = size_.shape.scale * packed_[query + c];
      const double k = size_.shape.scale * packed_[key + c];
      d_packed.exact[query + c] += d_score * k;
      d_packed.bound[query + c] += d_score_error * std::fabs(k);
      d_packed.exact[key + c] += d_score * q;
      d_packed.bound[key + c] += d_score_error * std::fabs(q);
    }
  }

  AttentionSize size_;
  const std::vector<double>& packed_;
  const std::vector<double>& d_out_;
  double rounds_;
};

}  // namespace sparse_transformer
