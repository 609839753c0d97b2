// The choice of a token for every sequence as the CUDA kernel takes it. Plain data, known to nvcc,
// to the host compiler and to the tests' emulator alike.
#pragma once

#include <cstdint>

namespace sparse_transformer {

struct ChoiceCall {
  std::int64_t batch, length;
  const float* logits;  // [batch, 256]
  /// As in TokenChoice (token_choice.h).
  double temperature, top_p;
  std::int32_t top_k;
  std::uint64_t seed;
  std::int64_t first_sample;     // the number of the first sequence among all samples
  const std::int64_t* position;  // whose token is chosen
  std::uint8_t* tokens;          // [batch, length]
  /// [batch]: the first position of each sequence whose logits were not finite; its token and those
  /// after it mean nothing.
  std::int64_t* not_finite;
};

}  // namespace sparse_transformer
