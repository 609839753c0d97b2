#include "generation/decoder.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "attention/sparse_attention.h"

namespace sparse_transformer {

Decoder::Decoder(const Transformer& model, std::int64_t batch, std::int64_t length)
    : model_(model),
      batch_(batch),
      cache_(model.patterns(), {.batch = batch, .length = length}, model.head_shape(),
             model.computation().kernels) {
  if (TokenPass::serves(model)) token_pass_.emplace(model, batch);
}

at::Tensor Decoder::start(std::span<const std::uint8_t> prime) {
  const at::NoGradGuard no_gradients;
  position_ = static_cast<std::int64_t>(prime.size()) + 1;
  // The token at the last position is the one asked for; its place is not read.
  const at::Tensor tokens = at::zeros({1, position_}, at::kByte);
  std::copy(prime.begin(), prime.end(), tokens.data_ptr<std::uint8_t>());
  const at::Tensor hidden =
      model_.embedding().forward(tokens.to(model_.device()), *model_.settings().attention.stride);
  const Attend attend = [this](std::int64_t layer, const at::Tensor& packed) {
    cache_.append(layer, packed.narrow(1, 0, position_));
    return sparse_attention(packed, model_.patterns()[static_cast<std::size_t>(layer)],
                            model_.head_shape(), model_.computation().kernels);
  };
  const at::Tensor last = model_.run_blocks(hidden, attend).narrow(1, position_ - 1, 1);
  return model_.logits(last).squeeze(1).expand({batch_, -1});
}

at::Tensor Decoder::step(const at::Tensor& tokens) {
  const at::NoGradGuard no_gradients;
  const at::Tensor hidden = model_.embedding().step(tokens.to(model_.device()), position_, batch_);
  ++position_;
  if (token_pass_) return token_pass_->logits(hidden, cache_);
  const Attend attend = [this](std::int64_t layer, const at::Tensor& packed) {
    return cache_.attend(layer, packed);
  };
  return model_.logits(model_.run_blocks(hidden, attend)).squeeze(1);
}

}  // namespace sparse_transformer
