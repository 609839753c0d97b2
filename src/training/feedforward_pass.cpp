#include "training/feedforward_pass.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/random_tensors.h"

namespace sparse_transformer {
namespace {

at::Tensor leaf(const at::Tensor& x) { return x.detach().requires_grad_(true); }

/// Of numbers that a product with numbers around 1 keeps around 1.
Linear random_linear(std::int64_t out, std::int64_t in, c10::Device device, RandomTensors& random) {
  const at::Tensor weight = random({out, in}, device).div_(std::sqrt(static_cast<double>(in)));
  return {leaf(weight), leaf(random({out}, device))};
}

/// Of x, expand.weight, expand.bias and contract.weight.
std::vector<at::Tensor> with_gradients(const at::Tensor& out, const at::Tensor& x,
                                       const FeedforwardInput& input) {
  std::vector<at::Tensor> results = torch::autograd::grad(
      {out}, {x, input.expand.weight, input.expand.bias, input.contract.weight},
      {input.d_out.to(out.scalar_type())});
  results.insert(results.begin(), out.detach());
  return results;
}

}  // namespace

FeedforwardInput::FeedforwardInput(const Settings& settings, c10::Device device) {
  const std::int64_t rows = settings.training.sequences_at_a_time() *
                            settings.model.attention.padded_length(settings.data.sequence_length());
  const std::int64_t width = settings.model.width, inner = settings.model.feedforward_width();
  RandomTensors random(1);
  expand = random_linear(inner, width, device, random);
  contract = {random_linear(width, inner, device, random).weight, {}};
  const auto options =
      at::TensorOptions(device).dtype(activation_type(settings.training.precision));
  x = leaf(random({rows, width}, options));
  // Training keeps the rounded weights, so no candidate's time has the rounding in it.
  for (Linear* linear : {&expand, &contract}) {
    linear->rounded = linear->weight.detach().to(options.dtype());
  }
  d_out = random({rows, width}, options);
}

FeedforwardInput FeedforwardInput::first(std::int64_t count) const {
  FeedforwardInput few = *this;
  const std::int64_t rows = std::min(count, x.size(0));
  few.x = leaf(x.detach().narrow(0, 0, rows));
  few.d_out = d_out.narrow(0, 0, rows);
  return few;
}

std::vector<at::Tensor> feed_forward(const FeedforwardInput& input, KernelKind kernel) {
  return with_gradients(expand_and_contract(input.expand, input.contract, input.x, kernel), input.x,
                        input);
}

std::vector<at::Tensor> feed_forward_plainly(const FeedforwardInput& input) {
  const at::Tensor x = leaf(input.x.detach().to(at::kFloat));
  const at::Tensor u = at::linear(x, input.expand.weight, input.expand.bias);
  const at::Tensor out = at::linear(u * at::sigmoid(1.702 * u), input.contract.weight);
  return with_gradients(out, x, input);
}

FeedforwardPass::FeedforwardPass(FeedforwardInput input, KernelKind kernel, std::int64_t count)
    : input_(std::move(input)), kernel_(kernel), count_(count) {}

void FeedforwardPass::run() const {
  at::Tensor gradient;
  for (std::int64_t i = 0; i < count_; ++i) gradient = feed_forward(input_, kernel_).back();
  gradient[0][0].item<double>();
}

}  // namespace sparse_transformer
