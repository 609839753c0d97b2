#include "model/block.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <string>

#include "model/feedforward.h"
#include "model/fused_rows.h"
#include "model/recompute.h"
#include "runtime/stop.h"

namespace sparse_transformer {
namespace {

/// Passes its input through; a request to stop is noticed here on the way forward and on the way
/// back.
class StopPoint : public torch::autograd::Function<StopPoint> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* /*context*/, const at::Tensor& x) {
    throw_if_stopped();
    return x;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* /*context*/,
                                                 const torch::autograd::variable_list& d_out) {
    throw_if_stopped();
    return {d_out[0]};
  }
};

Linear make_linear(std::int64_t out, std::int64_t in) {
  return {at::empty({out, in}), at::empty({out})};
}

Norm make_norm(std::int64_t width) { return {at::empty({width}), at::empty({width})}; }

}  // namespace

HeadShape head_shape(const ModelSettings& settings) {
  return {.query_width = settings.query_width(),
          .value_width = settings.value_width(),
          .scale = 1.0 / std::sqrt(static_cast<double>(settings.query_width()))};
}

Block::Block(const ModelSettings& settings, std::int64_t layer, const Computation& computation)
    : settings_(settings), layer_(layer), computation_(computation) {
  const std::int64_t d = settings.width;
  attention_norm_ = make_norm(d);
  query_key_value_ =
      make_linear(settings.heads * (2 * settings.query_width() + settings.value_width()), d);
  attention_output_ = make_linear(d, settings.heads * settings.value_width());
  feedforward_norm_ = make_norm(d);
  expand_ = make_linear(settings.feedforward_width(), d);
  contract_ = make_linear(d, settings.feedforward_width());
}

at::Tensor Block::forward(const at::Tensor& hidden, const Attend& attend,
                          const DropoutPlace* dropout_place) const {
  const at::Tensor h = StopPoint::apply(hidden);
  const Recompute recompute = computation_.recompute;
  if (recompute == Recompute::kNone || !at::GradMode::is_enabled()) {
    return add_feedforward(add_attention(h, attend, dropout_place), dropout_place);
  }
  // The backward pass comes when the caller's place is gone.
  const auto place = dropout_place == nullptr ? std::nullopt : std::optional(*dropout_place);
  const auto its = [](const std::optional<DropoutPlace>& kept) { return kept ? &*kept : nullptr; };
  if (recompute == Recompute::kAttention) {
    const Part half = [=, this](const at::Tensor& x) {
      return add_attention(x, attend, its(place));
    };
    return add_feedforward(recomputed(half, h, attention_parameters()), dropout_place);
  }
  const Part whole = [=, this](const at::Tensor& x) {
    return add_feedforward(add_attention(x, attend, its(place)), its(place));
  };
  return recomputed(whole, h, parameters());
}

Block Block::rounded(c10::ScalarType type) const {
  Block block = *this;
  for (Linear* linear : block.linears()) {
    linear->weight = linear->weight.detach().to(type);
    linear->rounded = at::Tensor();
  }
  Linear& packed = block.query_key_value_;
  packed.rounded_bias = packed.bias.detach().to(type);
  return block;
}

void Block::keep_rounded_weights(c10::ScalarType type) {
  for (Linear* linear : linears()) linear->rounded = linear->weight.detach().to(type);
  // The other biases are added by kernels of rows, in float32.
  query_key_value_.rounded_bias = query_key_value_.bias.detach().to(type);
}

std::vector<Linear*> Block::linears() {
  return {&query_key_value_, &attention_output_, &expand_, &contract_};
}

at::Tensor Block::add_attention(const at::Tensor& h, const Attend& attend,
                                const DropoutPlace* dropout_place) const {
  if (fuses_rows(h, computation_.rows())) {
    const auto [passed, normed] = pass_and_norm(attention_norm_, h);
    const at::Tensor product = apply(attention_output_.without_bias(), attention(normed, attend));
    return add_branch(passed, product, attention_output_.bias, dropout_place, 0);
  }
  const at::Tensor out = attention(attention_norm_(h), attend);
  return h + drop(apply(attention_output_, out), dropout_place, 0);
}

at::Tensor Block::add_feedforward(const at::Tensor& a, const DropoutPlace* dropout_place) const {
  if (fuses_rows(a, computation_.rows())) {
    const auto [passed, normed] = pass_and_norm(feedforward_norm_, a);
    const at::Tensor product = expand_and_contract(expand_, contract_, normed, feedforward_kernel_);
    return add_branch(passed, product, contract_.bias, dropout_place, 1);
  }
  return a + drop(feedforward(feedforward_norm_(a)), dropout_place, 1);
}

at::Tensor Block::add_branch(const at::Tensor& h, const at::Tensor& product, const at::Tensor& bias,
                             const DropoutPlace* dropout_place, std::int64_t site) const {
  if (dropout_place == nullptr) return add_residual(h, product, bias);
  return add_residual(h, product, bias, settings_.dropout, at_site(*dropout_place, site));
}

at::Tensor Block::drop(const at::Tensor& x, const DropoutPlace* dropout_place,
                       std::int64_t site) const {
  if (dropout_place == nullptr) return x;
  return dropout(x, settings_.dropout, at_site(*dropout_place, site), computation_.rows());
}

DropoutPlace Block::at_site(DropoutPlace place, std::int64_t site) const {
  constexpr std::int64_t kSitesALayer = 2;
  place.site = kSitesALayer * layer_ + site;
  return place;
}

at::Tensor Block::attention(const at::Tensor& normed, const Attend& attend) const {
  const at::Tensor packed = apply(query_key_value_, normed);
  const std::int64_t width = head_shape(settings_).packed_width();
  return attend(layer_, packed.unflatten(2, {settings_.heads, width})).flatten(2);
}

at::Tensor Block::feedforward(const at::Tensor& normed) const {
  // f(x) = x·sigmoid(1.702·x) (paper §5.2) is silu(1.702·x) / 1.702, one pass over the wide
  // activations when the two factors go into the weights.
  constexpr double kSlope = 1.702;
  const at::Tensor inner = apply(expand_, normed, {.weight = kSlope, .bias = kSlope});
  return apply(contract_, at::silu(inner), {.weight = 1.0 / kSlope});
}

std::vector<at::Tensor> Block::attention_parameters() const {
  return {attention_norm_.weight, attention_norm_.bias,     query_key_value_.weight,
          query_key_value_.bias,  attention_output_.weight, attention_output_.bias};
}

std::vector<at::Tensor> Block::parameters() const {
  NamedTensors named;
  collect(named);
  std::vector<at::Tensor> tensors;
  for (const NamedTensor& parameter : named) tensors.push_back(parameter.tensor);
  return tensors;
}

void Block::collect(NamedTensors& parameters) const {
  const std::string prefix = "blocks." + std::to_string(layer_) + ".";
  const auto add = [&](const std::string& name, const Linear& its) {
    parameters.push_back({prefix + name + ".weight", its.weight, its.rounded});
    parameters.push_back({prefix + name + ".bias", its.bias, its.rounded_bias});
  };
  const auto add_norm = [&](const std::string& name, const Norm& norm) {
    add(name, {norm.weight, norm.bias});
  };
  add_norm("attention_norm", attention_norm_);
  add("attention.query_key_value", query_key_value_);
  add("attention.output", attention_output_);
  add_norm("feedforward_norm", feedforward_norm_);
  add("feedforward.expand", expand_);
  add("feedforward.contract", contract_);
}

}  // namespace sparse_transformer
