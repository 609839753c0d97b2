#include "model/transformer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "attention/sparse_attention.h"

namespace sparse_transformer {

Transformer::Transformer(const ModelSettings& settings, const SequenceLayout& layout,
                         const Computation& computation)
    : settings_(settings),
      layout_(layout),
      computation_(computation),
      patterns_(layer_patterns(settings.attention, settings.layers, settings.heads, layout.length)),
      kernels_(patterns_.size(), KernelKind::kOwn),
      embedding_(settings, layout, computation),
      final_norm_{at::empty({settings.width}), at::empty({settings.width}), 1e-6},
      output_(at::empty({256, settings.width})) {
  for (std::int64_t layer = 0; layer < settings.layers; ++layer) {
    blocks_.emplace_back(settings_, layer, computation);
  }
}

at::Tensor Transformer::forward(const at::Tensor& tokens, const DropoutPlace* dropout_place,
                                const Shown* shown) const {
  at::Tensor hidden = embedding_.forward(tokens, *settings_.attention.stride, dropout_place, shown);
  const Attend whole_sequence = [this](std::int64_t layer, const at::Tensor& packed) {
    return sparse_attention(packed, patterns_[static_cast<std::size_t>(layer)], head_shape(),
                            computation_.kernels, kernels_[static_cast<std::size_t>(layer)]);
  };
  hidden = run_blocks(hidden, whole_sequence, dropout_place);
  return logits(hidden.narrow(1, 0, tokens.size(1)), dropout_place);
}

at::Tensor Transformer::run_blocks(const at::Tensor& hidden, const Attend& attend,
                                   const DropoutPlace* dropout_place) const {
  at::Tensor h = hidden.to(activation_type(computation_.precision, hidden.scalar_type()));
  for (const Block& block : blocks_) h = block.forward(h, attend, dropout_place);
  return h;
}

at::Tensor Transformer::logits(const at::Tensor& hidden, const DropoutPlace* dropout_place) const {
  at::Tensor output = output_;
  if (dropout_place != nullptr) {
    // One mask for the step, whichever sequences these are.
    DropoutPlace place = *dropout_place;
    place.first_sequence = 0;
    place.site = kOutputSite;
    output = dropout(output_, settings_.embedding_dropout, place, computation_.rows());
  }
  return at::linear(final_norm_(hidden, output_.scalar_type()), output);
}

void Transformer::compute_by(const KernelChoice& choice) {
  for (std::size_t layer = 0; layer < patterns_.size(); ++layer) {
    const auto chosen = choice.find(patterns_[layer].name());
    if (chosen != choice.end()) kernels_[layer] = chosen->second;
  }
  const auto chosen = choice.find(kFeedforward);
  if (chosen == choice.end()) return;
  for (Block& block : blocks_) block.compute_feedforward_by(chosen->second);
}

void Transformer::keep_rounded_weights() {
  const at::ScalarType type = product_type(device(), activation_type(computation_.precision));
  if (!at::isReducedFloatingType(type)) return;
  for (Block& block : blocks_) block.keep_rounded_weights(type);
}

HeadShape Transformer::head_shape() const { return sparse_transformer::head_shape(settings_); }

c10::Device Transformer::device() const { return output_.device(); }

NamedTensors Transformer::parameters() const {
  NamedTensors parameters;
  embedding_.collect(parameters);
  for (const Block& block : blocks_) block.collect(parameters);
  parameters.push_back({"final_norm.weight", final_norm_.weight});
  parameters.push_back({"final_norm.bias", final_norm_.bias});
  parameters.push_back({"output.weight", output_});
  return parameters;
}

void round_weights(const Transformer& model) {
  const at::NoGradGuard no_grad;
  for (const NamedTensor& parameter : model.parameters()) {
    if (parameter.rounded.defined()) parameter.rounded.copy_(parameter.tensor);
  }
}

void move_parameters(const Transformer& model, c10::Device device) {
  for (const NamedTensor& parameter : model.parameters()) {
    parameter.tensor.set_data(parameter.tensor.to(device));
  }
}

void convert_parameters(const Transformer& model, c10::ScalarType type) {
  for (const NamedTensor& parameter : model.parameters()) {
    parameter.tensor.set_data(parameter.tensor.to(type));
  }
}

}  // namespace sparse_transformer
