// The code of loss_rows.h. The rules of attention/kernels/registers.inl hold here.
#include <cstdint>

#include "attention/kernels/registers.inl"
#include "model/kernels/loss_rows.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kTokens = 256;

template <typename T>
T largest_of(const T* row) {
  Values<T> largest = load(row);
  for (std::int64_t i = kLanes<T>; i < kTokens; i += kLanes<T>) {
    const Values<T> x = load(row + i);
    largest = x > largest ? x : largest;
  }
  T result = largest[0];
  for (int i = 1; i < kLanes<T>; ++i) result = largest[i] > result ? largest[i] : result;
  return result;
}

/// Not a number among the logits makes the sum so, and with it all that comes of it.
template <typename T>
void loss_rows(const LossRows<T>& loss, RowRange rows, T* nats) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* logits = loss.logits + row * kTokens;
    const T largest = largest_of(logits);
    Values<T> sums = {};
    for (std::int64_t i = 0; i < kTokens; i += kLanes<T>) {
      sums += exponential<T>(load(logits + i) - largest);
    }
    const T log_sum = static_cast<T>(__builtin_log(double(sum_of<T>(sums))));
    loss.lse[row] = largest + log_sum;
    nats[row] = log_sum + (largest - logits[loss.tokens[row]]);
  }
}

/// The probabilities, less 1 for the token, times d_sum.
template <typename T>
void loss_rows_gradient(const LossRows<T>& loss, RowRange rows, T d_sum, T* d_logits) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* logits = loss.logits + row * kTokens;
    T* d = d_logits + row * kTokens;
    for (std::int64_t i = 0; i < kTokens; i += kLanes<T>) {
      store<T>(d + i, d_sum * exponential<T>(load(logits + i) - loss.lse[row]));
    }
    d[loss.tokens[row]] -= d_sum;
  }
}

template <typename T>
constexpr LossKernels<T> kLossKernels = {loss_rows<T>, loss_rows_gradient<T>};

}  // namespace
}  // namespace sparse_transformer
