// The choice of a token for every sequence on CUDA (token_choice.cu), for the host. `stream` is a
// cudaStream_t; returns CUDA's error code, 0 for none.
#pragma once

#include <cstdint>

namespace sparse_transformer {

struct TokenChoiceParams {
  std::int64_t batch, length;
  const float* logits;  // [batch, 256]
  /// As in TokenChoice (generation/token_choice.h).
  double temperature, top_p;
  std::int32_t top_k;
  std::uint64_t seed;
  std::int64_t first_sample;     // the number of the first sequence among all samples
  const std::int64_t* position;  // whose token is chosen; on the device
  std::uint8_t* tokens;          // [batch, length]
  /// [batch]: the first position of each sequence whose logits were not finite. Its token and those
  /// after it mean nothing.
  std::int64_t* not_finite;
};

int launch_token_choice(const TokenChoiceParams& params, void* stream);

}  // namespace sparse_transformer
