// The feed-forward part of a block by itself, as one run of the clock.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "attention/kernels/kernels.h"
#include "model/feedforward.h"
#include "model/linear.h"
#include "training/settings.h"

namespace sparse_transformer {

/// What the feed-forward part of a block is given, at random: micro_batch sequences, padded as the
/// model pads them, and weights. All but d_out wants a gradient.
struct FeedforwardInput {
  FeedforwardInput(const Settings& settings, c10::Device device);

  /// Of so many rows at most.
  FeedforwardInput first(std::int64_t count) const;

  Linear expand, contract;  // that of `contract` without its bias
  at::Tensor x;             // [rows, d]
  at::Tensor d_out;         // [rows, d], the gradient of the output
};

/// A forward and a backward pass: the output, and the gradients of x, of expand's weight and bias
/// and of contract's weight.
std::vector<at::Tensor> feed_forward(const FeedforwardInput& input, KernelKind kernel);

/// The same by its definition in float32.
std::vector<at::Tensor> feed_forward_plainly(const FeedforwardInput& input);

/// Forward and backward passes of one block's feed-forward part.
class FeedforwardPass {
 public:
  FeedforwardPass(FeedforwardInput input, KernelKind kernel, std::int64_t count);
  void run() const;  // and waits

 private:
  FeedforwardInput input_;
  KernelKind kernel_;
  std::int64_t count_;
};

}  // namespace sparse_transformer
