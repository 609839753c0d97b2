#include "model/token_pass.h"

#include <ATen/ATen.h>

#include "runtime/stop.h"

namespace sparse_transformer {

bool TokenPass::serves(const Transformer& model) {
  const Computation& computation = model.computation();
  return model.device().is_cpu() && computation.precision == Precision::kFloat32 &&
         computation.kernels == Kernels::kFused;
}

TokenPass::TokenPass(const Transformer& model, std::int64_t batch)
    : final_norm_(model.final_norm()), output_(packed({.weight = model.output(), .bias = {}})) {
  for (const Block& block : model.blocks()) {
    const BlockLayers its = block.layers();
    blocks_.push_back({.attention_norm = its.attention_norm,
                       .feedforward_norm = its.feedforward_norm,
                       .query_key_value = packed(its.query_key_value),
                       .attention_output = packed(its.attention_output),
                       .expand = packed(its.expand),
                       .contract = packed(its.contract)});
  }
  const ModelSettings& settings = model.settings();
  const at::TensorOptions options = output_.weight.options();
  hidden_ = at::empty({batch, settings.width}, options);
  normed_ = at::empty({batch, settings.width}, options);
  packed_ = at::empty({batch, 1, settings.heads, model.head_shape().packed_width()}, options);
  inner_ = at::empty({batch, settings.feedforward_width()}, options);
}

at::Tensor TokenPass::logits(const at::Tensor& hidden, KeyValueCache& cache) {
  hidden_.copy_(hidden.squeeze(1));
  std::int64_t layer = 0;
  for (const PackedBlock& block : blocks_) {
    throw_if_stopped();
    normalise_rows(block.attention_norm, hidden_, normed_);
    multiply_rows(block.query_key_value, normed_, packed_, After::kStore);
    multiply_rows(block.attention_output, cache.attend(layer++, packed_), hidden_, After::kAdd);
    normalise_rows(block.feedforward_norm, hidden_, normed_);
    multiply_rows(block.expand, normed_, inner_, After::kActivate);
    multiply_rows(block.contract, inner_, hidden_, After::kAdd);
  }
  at::Tensor logits = at::empty({hidden_.size(0), output_.outs}, hidden_.options());
  normalise_rows(final_norm_, hidden_, normed_);
  multiply_rows(output_, normed_, logits, After::kStore);
  return logits;
}

}  // namespace sparse_transformer
