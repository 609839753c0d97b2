// Half precision against float64: its error is that of rounding, no more than plain code's in the
// same type.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <map>

#include "attention/sparse_attention.h"
#include "config/words.h"
#include "model/linear.h"
#include "model/norm.h"
#include "model/transformer.h"

namespace sparse_transformer {
namespace {

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// Relative to the largest element: what rounding alone may cost.
double floor_of(const at::Tensor& exact, double epsilon) {
  return epsilon * exact.abs().max().item<double>();
}

class Half : public testing::TestWithParam<Precision> {
 protected:
  at::ScalarType type() const {
    return GetParam() == Precision::kBfloat16 ? at::kBFloat16 : at::kHalf;
  }
  double epsilon() const { return GetParam() == Precision::kBfloat16 ? 0x1p-8 : 0x1p-11; }
};

INSTANTIATE_TEST_SUITE_P(Precisions, Half,
                         testing::Values(Precision::kBfloat16, Precision::kFloat16),
                         [](const auto& test) { return word_of(kPrecisionWords, test.param); });

/// f(x, weight, bias) and its gradients, with float32 or float64 weights.
template <typename Function>
std::vector<at::Tensor> with_gradients(const Function& f, const at::Tensor& x,
                                       std::vector<at::Tensor> weights, const at::Tensor& d_y) {
  weights.insert(weights.begin(), x);
  for (at::Tensor& weight : weights) weight = weight.detach().clone().requires_grad_(true);
  const at::Tensor y = f(weights[0], weights[1], weights[2]);
  auto results = torch::autograd::grad({y}, weights, {d_y.to(y.scalar_type())});
  results.insert(results.begin(), y.detach());
  return results;
}

TEST_P(Half, ProductsHaveTheErrorOfRoundedOperands) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({3, 50, 40}).to(type());
  const at::Tensor d_y = at::randn({3, 50, 30}).to(type());
  const std::vector<at::Tensor> weights = {at::randn({30, 40}), at::randn({30})};
  const LinearFactors factors = {.weight = 1.702, .bias = 1.702};
  const auto ours = with_gradients(
      [&](const at::Tensor& a, const at::Tensor& w, const at::Tensor& b) {
        return apply(Linear{w, b}, a, factors);
      },
      x, weights, d_y);
  const auto exact = with_gradients(
      [&](const at::Tensor& a, const at::Tensor& w, const at::Tensor& b) {
        return at::linear(a, w * 1.702, b * 1.702);
      },
      x.to(at::kDouble), {weights[0].to(at::kDouble), weights[1].to(at::kDouble)}, d_y);
  EXPECT_EQ(ours[0].scalar_type(), type());
  EXPECT_EQ(ours[1].scalar_type(), type());
  EXPECT_EQ(ours[2].scalar_type(), at::kFloat);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_LT(distance(ours[i], exact[i]), 2 * floor_of(exact[i], epsilon())) << i;
  }
}

TEST_P(Half, AKeptRoundedWeightGivesTheSameBits) {
  at::manual_seed(4);
  const at::Tensor x = at::randn({3, 20, 40}).to(type());
  const at::Tensor d_y = at::randn({3, 20, 30}).to(type());
  const std::vector<at::Tensor> weights = {at::randn({30, 40}), at::randn({30})};
  for (const double factor : {1.0, 1.702}) {
    const auto results = [&](const at::Tensor& rounded) {
      return with_gradients(
          [&](const at::Tensor& a, const at::Tensor& w, const at::Tensor& b) {
            return apply({w, b, rounded}, a, {.weight = factor});
          },
          x, weights, d_y);
    };
    const auto kept = results(weights[0].to(type())), rounded_each_time = results({});
    for (std::size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(kept[i].scalar_type(), rounded_each_time[i].scalar_type());
      EXPECT_TRUE(at::equal(kept[i], rounded_each_time[i])) << i;
    }
  }
}

TEST_P(Half, NormsAreComputedInFloat32AndRoundedOnce) {
  at::manual_seed(2);
  // A mean far from zero: in half precision the variance would drown in it.
  const at::Tensor x = (at::randn({4, 10, 64}) + 30.0).to(type());
  const at::Tensor d_y = at::randn({4, 10, 64}).to(type());
  const std::vector<at::Tensor> weights = {at::randn({64}), at::randn({64})};
  const auto norm = [](const at::Tensor& a, const at::Tensor& w, const at::Tensor& b) {
    return Norm{w, b, 1e-5}(a);
  };
  const auto ours = with_gradients(norm, x, weights, d_y);
  const auto exact = with_gradients(norm, x.to(at::kDouble),
                                    {weights[0].to(at::kDouble), weights[1].to(at::kDouble)}, d_y);
  EXPECT_EQ(ours[0].scalar_type(), type());
  EXPECT_EQ(ours[2].scalar_type(), at::kFloat);
  EXPECT_LT(distance(ours[0], exact[0]), floor_of(exact[0], epsilon()));
  EXPECT_LT(distance(ours[1], exact[1]), floor_of(exact[1], epsilon()));
  EXPECT_LT(distance(ours[2], exact[2]), 1e-3);
  EXPECT_LT(distance(ours[3], exact[3]), 1e-4);
}

/// The same model by its definition, every tensor and every operation in one type.
class PlainModel {
 public:
  PlainModel(const Transformer& model, at::ScalarType type) : model_(model) {
    for (const NamedTensor& parameter : model.parameters()) {
      tensors_[parameter.name] =
          parameter.tensor.detach().to(type, false, /*copy=*/true).requires_grad_(true);
    }
  }

  at::Tensor logits(const at::Tensor& tokens) const {
    at::Tensor h = embed(tokens.to(at::kLong));
    for (std::int64_t layer = 0; layer < model_.settings().layers; ++layer) {
      const std::string block = "blocks." + std::to_string(layer) + ".";
      const at::Tensor packed =
          linear(norm(h, block + "attention_norm"), block + "attention.query_key_value")
              .unflatten(2, {model_.settings().heads, -1});
      const at::Tensor out = sparse_attention_reference(
          packed, model_.patterns()[static_cast<std::size_t>(layer)], model_.head_shape());
      h = h + linear(out.flatten(2), block + "attention.output");
      const at::Tensor inner =
          linear(norm(h, block + "feedforward_norm"), block + "feedforward.expand");
      h = h + linear(inner * at::sigmoid(1.702 * inner), block + "feedforward.contract");
    }
    return at::matmul(norm(h, "final_norm"), at("output.weight").t());
  }

  at::Tensor at(const std::string& name) const { return tensors_.at(name); }

 private:
  at::Tensor embed(const at::Tensor& tokens) const {
    const std::int64_t n = tokens.size(1) - 1;
    const at::Tensor t = at::arange(n, at::kLong);
    const std::int64_t row = model_.layout().axes[1];
    const at::Tensor read = at::embedding(at("embedding.token.weight"), tokens.narrow(1, 0, n)) +
                            at::embedding(at("embedding.position.0.weight"), t.floor_divide(row)) +
                            at::embedding(at("embedding.position.1.weight"), t.remainder(row));
    return at::cat({at("embedding.start").expand({tokens.size(0), 1, -1}), read}, 1);
  }
  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    return at::linear(x, at(name + ".weight"), at(name + ".bias"));
  }
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return at::layer_norm(x, {x.size(2)}, at(name + ".weight"), at(name + ".bias"),
                          name == "final_norm" ? 1e-6 : 1e-5);
  }

  const Transformer& model_;
  std::map<std::string, at::Tensor> tensors_;
};

at::Tensor loss_of(const at::Tensor& logits, const at::Tensor& tokens) {
  return at::cross_entropy_loss(logits.flatten(0, 1), tokens.flatten().to(at::kLong));
}

// Error to float64 at most twice that of plain code all in the same type, and a rounding floor.
TEST_P(Half, AModelIsAsExactAsPlainCode) {
  ModelSettings settings;
  settings.layers = 2;
  settings.width = 32;
  settings.heads = 2;
  settings.qk_ratio = 0.5;
  settings.attention.stride = 8;
  settings.attention.layers = {{"local+column"}, {"fixed"}};
  settings.attention.summary = 4;
  settings.initialisation = {.token = 1.0, .position = 1.0, .weight = 1.0, .residual = 1.0};
  resolve(settings, 64, {});
  const Transformer model(settings, sequence_layout(64, {}, 8), {.precision = GetParam()});
  initialise(model, 3);
  at::manual_seed(3);
  model.parameters().back().tensor.normal_(0.0, 0.2);
  const PlainModel exact(model, at::kDouble);
  const PlainModel plain(model, type());
  for (const NamedTensor& parameter : model.parameters()) parameter.tensor.requires_grad_(true);

  const at::Tensor tokens = at::randint(256, {2, 64}, at::kByte);
  const at::Tensor ours = model.forward(tokens);
  EXPECT_EQ(ours.scalar_type(), at::kFloat);
  const at::Tensor exact_logits = exact.logits(tokens);
  const at::Tensor plain_logits = plain.logits(tokens);
  EXPECT_LT(distance(ours, exact_logits),
            2 * distance(plain_logits, exact_logits) + floor_of(exact_logits, epsilon()));
  loss_of(ours, tokens).backward();
  loss_of(exact_logits, tokens).backward();
  loss_of(plain_logits.to(at::kFloat), tokens).backward();
  for (const NamedTensor& parameter : model.parameters()) {
    const at::Tensor d_exact = exact.at(parameter.name).grad();
    EXPECT_LT(distance(parameter.tensor.grad(), d_exact),
              2 * distance(plain.at(parameter.name).grad(), d_exact) + floor_of(d_exact, epsilon()))
        << parameter.name;
  }
}

// As sampling on a GPU runs its blocks.
TEST_P(Half, ABlockWithRoundedWeightsGivesWhatItGaveButForRounding) {
  const at::NoGradGuard no_gradients;
  ModelSettings settings;
  settings.layers = 1;
  settings.width = 32;
  settings.heads = 2;
  settings.attention.stride = 8;
  settings.attention.layers = {{"dense"}};
  resolve(settings, 64, {});
  const Transformer model(settings, sequence_layout(64, {}, 8), {.precision = GetParam()});
  initialise(model, 3);
  const Block& block = model.blocks().front();
  const Block rounded = block.rounded(type());
  EXPECT_EQ(rounded.layers().expand.weight.scalar_type(), type());
  EXPECT_EQ(block.layers().expand.weight.scalar_type(), at::kFloat);
  const Attend attend = [&](std::int64_t /*layer*/, const at::Tensor& packed) {
    return packed.narrow(3, 2 * model.head_shape().query_width, model.head_shape().value_width);
  };
  at::manual_seed(3);
  const at::Tensor hidden = at::randn({2, 8, 32}).to(type());
  const at::Tensor expected = block.forward(hidden, attend, nullptr);
  EXPECT_LT(distance(rounded.forward(hidden, attend, nullptr), expected),
            2 * floor_of(expected, epsilon()));
}

}  // namespace
}  // namespace sparse_transformer
