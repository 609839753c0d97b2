// Where the tokens of a batch of samples come from, position after position: the strategies of
// sampler.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "generation/token_choice.h"
#include "model/transformer.h"

namespace sparse_transformer {

/// The samples first, first + 1, … of one batch. What it refers to must outlive its source.
struct BatchDraw {
  std::int64_t first, size;
  std::int64_t length;                  // tokens of a sample, the prime included
  std::span<const std::uint8_t> prime;  // the first tokens of every sample
  const TokenChoice& choice;
  std::uint64_t seed;
};

class TokenSource {
 public:
  virtual ~TokenSource() = default;

  /// The tokens of the next positions, of one at least and `most` at most: [batch, positions] uint8
  /// on the CPU. Throws Interrupted once a stop has been asked for, WorldError where the model's
  /// output at the next position is not finite. Not to be called behind the last position.
  virtual at::Tensor draw(std::int64_t most) = 0;
};

/// The model on any device; positions are counted and tokens drawn by the host, one at a time.
std::unique_ptr<TokenSource> host_source(const Transformer& model, const BatchDraw& batch);

/// All of it on a CUDA device, one graph a token, so that the host waits only to fetch tokens.
/// Nothing where the model is not on one, in a build without a CUDA compiler, with plain kernels,
/// or where a pattern or width is not served (attention/kernels/token_cuda.h).
std::unique_ptr<TokenSource> device_source(const Transformer& model, const BatchDraw& batch);

}  // namespace sparse_transformer
