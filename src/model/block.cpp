#include "model/block.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <string>

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

/// Rows of a packed projection, head by head query, key, value, each padded with zero rows to one
/// width, so that kernels that want equal widths find them in place.
at::Tensor with_equal_slots(const at::Tensor& rows, std::int64_t heads, std::int64_t query_width,
                            std::int64_t value_width) {
  if (query_width == value_width) return rows;
  const std::int64_t slot = std::max(query_width, value_width);
  const auto parts = rows.unflatten(0, {heads, 2 * query_width + value_width})
                         .split_with_sizes({query_width, query_width, value_width}, 1);
  std::vector<at::Tensor> slots;
  for (const at::Tensor& part : parts) {
    std::vector<std::int64_t> padding(static_cast<std::size_t>(2 * (part.dim() - 2)), 0);
    padding.insert(padding.end(), {0, slot - part.size(1)});
    slots.push_back(at::constant_pad_nd(part, padding));
  }
  return at::cat(slots, 1).flatten(0, 1);
}

}  // namespace

at::Tensor Norm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
}

Block::Block(const ModelSettings& settings, std::int64_t layer)
    : layer_(layer),
      heads_(settings.heads),
      query_width_(settings.query_width()),
      value_width_(settings.value_width()),
      dropout_(settings.dropout) {
  const std::int64_t d = settings.width;
  attention_norm_ = make_norm(d);
  query_key_value_ = make_linear(heads_ * (2 * query_width_ + value_width_), d);
  attention_output_ = make_linear(d, heads_ * value_width_);
  feedforward_norm_ = make_norm(d);
  expand_ = make_linear(settings.feedforward_width(), d);
  contract_ = make_linear(d, settings.feedforward_width());
}

at::Tensor Block::forward(const at::Tensor& hidden, const Attend& attend,
                          const DropoutPlace* dropout_place) const {
  const at::Tensor h = StopPoint::apply(hidden);
  const at::Tensor a = h + drop(attention(attention_norm_(h), attend), dropout_place, 0);
  return a + drop(feedforward(feedforward_norm_(a)), dropout_place, 1);
}

at::Tensor Block::drop(const at::Tensor& x, const DropoutPlace* dropout_place,
                       std::int64_t site) const {
  if (dropout_place == nullptr) return x;
  constexpr std::int64_t kSitesALayer = 2;
  DropoutPlace place = *dropout_place;
  place.site = kSitesALayer * layer_ + site;
  return dropout(x, dropout_, place);
}

at::Tensor Block::attention(const at::Tensor& normed, const Attend& attend) const {
  const auto slots = [this](const at::Tensor& rows) {
    return with_equal_slots(rows, heads_, query_width_, value_width_);
  };
  const at::Tensor packed =
      at::linear(normed, slots(query_key_value_.weight), slots(query_key_value_.bias));
  at::Tensor out = attend(layer_, packed.unflatten(2, {heads_, packed.size(2) / heads_}));
  if (out.size(3) > value_width_) out = out.narrow(3, 0, value_width_);
  return at::linear(out.flatten(2), attention_output_.weight, attention_output_.bias);
}

at::Tensor Block::feedforward(const at::Tensor& normed) const {
  // f(x) = x·sigmoid(1.702·x) (paper §5.2) is silu(1.702·x) / 1.702, one pass over the wide
  // activations when the two factors go into the weights.
  constexpr double kSlope = 1.702;
  const at::Tensor inner = at::linear(normed, expand_.weight * kSlope, expand_.bias * kSlope);
  return at::linear(at::silu(inner), contract_.weight / kSlope, contract_.bias);
}

void Block::collect(NamedTensors& parameters) const {
  const std::string prefix = "blocks." + std::to_string(layer_) + ".";
  const auto add = [&](const std::string& name, const at::Tensor& weight, const at::Tensor& bias) {
    parameters.push_back({prefix + name + ".weight", weight});
    parameters.push_back({prefix + name + ".bias", bias});
  };
  add("attention_norm", attention_norm_.weight, attention_norm_.bias);
  add("attention.query_key_value", query_key_value_.weight, query_key_value_.bias);
  add("attention.output", attention_output_.weight, attention_output_.bias);
  add("feedforward_norm", feedforward_norm_.weight, feedforward_norm_.bias);
  add("feedforward.expand", expand_.weight, expand_.bias);
  add("feedforward.contract", contract_.weight, contract_.bias);
}

}  // namespace sparse_transformer
