#include "model/transformer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <map>

#include "attention/sparse_attention.h"

namespace sparse_transformer {
namespace {

/// Two layers over pictures of 3 × 4 × 3, rows of 12 positions, queries narrower than values.
ModelSettings picture_settings(const WordLists& layers) {
  ModelSettings settings;
  settings.layers = 2;
  settings.width = 16;
  settings.heads = 2;
  settings.qk_ratio = 0.5;
  settings.feedforward_ratio = 2;
  settings.attention.layers = layers;
  settings.attention.summary = 3;
  resolve(settings, 36, {3, 4, 3});
  return settings;
}

/// The same over a stream whose length is no multiple of the stride.
ModelSettings stream_settings(const WordLists& layers) {
  ModelSettings settings = picture_settings(layers);
  settings.qk_ratio = 1.0;
  settings.attention.stride = 8;
  settings.attention.summary = 4;
  settings.attention.summary_blocks.reset();
  resolve(settings, 37, {});
  return settings;
}

struct Case {
  ModelSettings settings;
  SequenceLayout layout;
};

std::vector<Case> cases() {
  std::vector<Case> result;
  const std::vector<WordLists> patterns = {
      {{"strided"}}, {{"fixed"}}, {{"local+column"}}, {{"local", "column"}, {"dense"}}};
  for (const WordLists& layers : patterns) {
    result.push_back({picture_settings(layers), sequence_layout(36, {3, 4, 3}, 12)});
    result.push_back({stream_settings(layers), sequence_layout(37, {}, 8)});
  }
  return result;
}

/// All tensors random: the initial zeros of biases and output would hide mistakes.
void randomise(const Transformer& model) {
  at::manual_seed(3);
  for (const NamedTensor& parameter : model.parameters()) parameter.tensor.normal_(0.0, 0.4);
  convert_parameters(model, at::kDouble);
}

at::Tensor random_tokens(std::int64_t batch, std::int64_t length) {
  return at::randint(0, 256, {batch, length}, at::kByte);
}

/// The model as the paper writes it, line by line, with an explicit mask: eqs. 3 and 9-15.
class PlainTwin {
 public:
  explicit PlainTwin(const Transformer& model) : model_(model) {
    for (const NamedTensor& parameter : model.parameters()) {
      tensors_[parameter.name] = parameter.tensor.detach().clone().requires_grad_(true);
    }
  }

  at::Tensor logits(const at::Tensor& tokens) const {
    at::Tensor h = embed(tokens);
    for (std::int64_t i = 0; i < model_.settings().layers; ++i) {
      const std::string block = "blocks." + std::to_string(i) + ".";
      h = h + attend(norm(h, block + "attention_norm", 1e-5), i);
      h = h + feed_forward(norm(h, block + "feedforward_norm", 1e-5), block);
    }
    return norm(h, "final_norm", 1e-6).matmul(at("output.weight").t());
  }

  at::Tensor at(const std::string& name) const { return tensors_.at(name); }

 private:
  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    return x.matmul(at(name + ".weight").t()) + at(name + ".bias");
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name, double epsilon) const {
    const at::Tensor centred = x - x.mean(-1, true);
    const at::Tensor variance = (centred * centred).mean(-1, true);
    return centred / (variance + epsilon).sqrt() * at(name + ".weight") + at(name + ".bias");
  }

  at::Tensor embed(const at::Tensor& tokens) const {
    std::vector<at::Tensor> rows;
    for (std::int64_t b = 0; b < tokens.size(0); ++b) {
      rows.push_back(at("embedding.start"));
      for (std::int64_t t = 0; t + 1 < tokens.size(1); ++t) {
        at::Tensor sum = at("embedding.token.weight")[tokens[b][t].item<std::int64_t>()];
        std::int64_t rest = t;
        const auto& axes = model_.layout().axes;
        for (std::size_t i = axes.size(); i-- > 0; rest /= axes[i]) {
          sum = sum + at("embedding.position." + std::to_string(i) + ".weight")[rest % axes[i]];
        }
        rows.push_back(sum);
      }
    }
    return at::stack(rows).view({tokens.size(0), tokens.size(1), -1});
  }

  at::Tensor attend(const at::Tensor& x, std::int64_t layer) const {
    const ModelSettings& s = model_.settings();
    const std::string name = "blocks." + std::to_string(layer) + ".attention.";
    const std::int64_t n = x.size(1);
    const auto parts =
        linear(x, name + "query_key_value")
            .view({x.size(0), n, s.heads, -1})
            .split_with_sizes({s.query_width(), s.query_width(), s.value_width()}, 3);
    std::vector<at::Tensor> heads;
    for (std::int64_t h = 0; h < s.heads; ++h) {
      const at::Tensor scores =
          parts[0].select(2, h).matmul(parts[1].select(2, h).transpose(1, 2)) /
          std::sqrt(static_cast<double>(s.query_width()));
      const at::Tensor hidden =
          attention_mask(model_.patterns()[static_cast<std::size_t>(layer)], n, h).logical_not();
      const at::Tensor weights =
          scores.masked_fill(hidden, -1e30).softmax(-1).masked_fill(hidden, 0.0);
      heads.push_back(weights.matmul(parts[2].select(2, h)));
    }
    return linear(at::cat(heads, -1), name + "output");
  }

  at::Tensor feed_forward(const at::Tensor& x, const std::string& block) const {
    const at::Tensor inner = linear(x, block + "feedforward.expand");
    return linear(inner * at::sigmoid(1.702 * inner), block + "feedforward.contract");
  }

  const Transformer& model_;
  std::map<std::string, at::Tensor> tensors_;
};

at::Tensor loss_of(const at::Tensor& logits, const at::Tensor& tokens) {
  return at::cross_entropy_loss(logits.flatten(0, 1), tokens.flatten().to(at::kLong));
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

void expect_equal_to_twin(const Case& c, const Computation& computation) {
  const Transformer model(c.settings, c.layout, computation);
  randomise(model);
  const PlainTwin twin(model);
  for (const NamedTensor& parameter : model.parameters()) parameter.tensor.requires_grad_(true);
  for (const std::int64_t length : {c.layout.length, std::int64_t{13}, std::int64_t{1}}) {
    const at::Tensor tokens = random_tokens(2, length);
    const at::Tensor ours = model.forward(tokens);
    const at::Tensor plain = twin.logits(tokens);
    EXPECT_LT(largest_difference(ours, plain), 1e-10);
    std::vector<at::Tensor> our_weights;
    std::vector<at::Tensor> plain_weights;
    for (const NamedTensor& parameter : model.parameters()) {
      our_weights.push_back(parameter.tensor);
      plain_weights.push_back(twin.at(parameter.name));
    }
    const auto d_ours = torch::autograd::grad({loss_of(ours, tokens)}, our_weights, {},
                                              std::nullopt, false, /*allow_unused=*/true);
    const auto d_plain = torch::autograd::grad({loss_of(plain, tokens)}, plain_weights, {},
                                               std::nullopt, false, /*allow_unused=*/true);
    for (std::size_t i = 0; i < d_ours.size(); ++i) {
      SCOPED_TRACE(model.parameters()[i].name);
      if (!d_plain[i].defined()) continue;  // position tables, for a single token
      EXPECT_LT(largest_difference(d_ours[i], d_plain[i]), 1e-10);
    }
  }
}

TEST(Transformer, ForwardAndGradientEqualThePlainTwin) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(layer_patterns(c.settings.attention, 1, 2, 64).front().name() +
                 " n=" + std::to_string(c.layout.length));
    expect_equal_to_twin(c, {.kernels = Kernels::kFused});
    expect_equal_to_twin(c, {.kernels = Kernels::kPlain});
    expect_equal_to_twin(c, {.trusts_rows = false});  // on a device whose kernels are wrong
  }
}

TEST(Transformer, ChangingATokenMovesOnlyTheLogitsAfterIt) {
  for (const Case& c : cases()) {
    const Transformer model(c.settings, c.layout);
    randomise(model);
    const at::NoGradGuard no_grad;
    const at::Tensor tokens = random_tokens(1, c.layout.length);
    const at::Tensor before = model.forward(tokens);
    for (std::int64_t t = 0; t < c.layout.length; ++t) {
      at::Tensor changed = tokens.clone();
      changed[0][t] += 1;  // 255 wraps to 0
      const at::Tensor moved = (model.forward(changed) - before).abs().sum(-1)[0];
      EXPECT_EQ(moved.narrow(0, 0, t + 1).sum().item<double>(), 0.0) << "token " << t;
      if (t + 1 < c.layout.length) {
        EXPECT_GT(moved[t + 1].item<double>(), 0.0) << "token " << t;
      }
    }
  }
}

TEST(Transformer, StartsAtEightBitsWithTheReleasedSpreads) {
  ModelSettings settings = picture_settings({{"local+column"}});
  settings.width = 128;
  const Transformer model(settings, sequence_layout(36, {3, 4, 3}, 12));
  initialise(model, 1);
  const at::Tensor tokens = random_tokens(2, 36);
  EXPECT_NEAR(loss_of(model.forward(tokens), tokens).item<double>(), std::log(256.0), 1e-6);
  std::map<std::string, at::Tensor> tensors;
  for (const NamedTensor& parameter : model.parameters())
    tensors[parameter.name] = parameter.tensor;
  const auto spread = [&](const std::string& name) {
    return tensors.at(name).std().item<double>();
  };
  EXPECT_NEAR(spread("embedding.token.weight"), 0.01, 0.0005);
  EXPECT_NEAR(spread("embedding.position.1.weight"), 0.01 / std::sqrt(3.0), 0.001);
  EXPECT_NEAR(spread("blocks.0.attention.query_key_value.weight"), std::sqrt(0.125 / 128), 0.001);
  EXPECT_NEAR(spread("blocks.1.attention.output.weight"), std::sqrt(0.125 * 0.5 / (128 * 2)),
              0.001);
  EXPECT_NEAR(spread("blocks.1.feedforward.contract.weight"), std::sqrt(0.125 * 0.5 / (256 * 2)),
              0.001);
  EXPECT_EQ(spread("output.weight"), 0.0);
}

// Masks of tokens, of each position and of the output matrix; none in evaluation.
TEST(Transformer, EmbeddingDropoutIsInTrainingAloneAndIndependentOfTheSplit) {
  ModelSettings settings = picture_settings({{"local+column"}});
  const SequenceLayout layout = sequence_layout(36, {3, 4, 3}, 12);
  const Transformer without(settings, layout);
  settings.embedding_dropout = 0.5;
  const Transformer with(settings, layout);
  for (const Transformer* model : {&without, &with}) randomise(*model);
  const at::NoGradGuard no_grad;
  const at::Tensor tokens = random_tokens(3, 36);
  EXPECT_TRUE(at::equal(with.forward(tokens), without.forward(tokens)));
  const DropoutPlace place{.seed = 1, .step = 2};
  const at::Tensor dropped = with.forward(tokens, &place);
  EXPECT_FALSE(at::allclose(dropped, without.forward(tokens, &place)));
  const DropoutPlace later{.seed = 1, .step = 2, .first_sequence = 2};
  EXPECT_LT(
      largest_difference(with.forward(tokens.narrow(0, 2, 1), &later), dropped.narrow(0, 2, 1)),
      1e-12);
  // The start vector is not dropped: what position 0 gives misses elements of the output matrix
  // alone.
  const at::Tensor hidden = with.embedding().forward(tokens, 1, &place);
  EXPECT_TRUE(at::equal(hidden.select(1, 0), without.embedding().forward(tokens, 1).select(1, 0)));
  // A token and three positions, each there twice or not at all.
  const at::Tensor step = with.embedding().forward(tokens, 1).select(1, 5);
  EXPECT_FALSE(at::equal(hidden.select(1, 5), step));
}

TEST(Transformer, EmbeddingDropoutKeepsTheMean) {
  ModelSettings settings = picture_settings({{"local+column"}});
  settings.width = 64;
  settings.embedding_dropout = 0.25;
  const Embedding embedding(settings, sequence_layout(36, {3, 4, 3}, 12));
  NamedTensors tensors;
  embedding.collect(tensors);
  for (const NamedTensor& tensor : tensors) tensor.tensor.fill_(1.0);
  const DropoutPlace place{.seed = 1, .step = 2};
  const at::Tensor x = embedding.forward(random_tokens(64, 36), 1, &place).narrow(1, 1, 35);
  EXPECT_NEAR(x.mean().item<double>(), 4.0, 0.01);
  // Four masks of their own: a sum of k kept ones has the weight of a binomial distribution.
  const double all_kept = x.gt(5.3).to(at::kFloat).mean().item<double>();
  EXPECT_NEAR(all_kept, std::pow(0.75, 4), 0.01);
}

TEST(Transformer, InitialWeightsDependOnTheSeedAlone) {
  const ModelSettings settings = picture_settings({{"strided"}});
  const SequenceLayout layout = sequence_layout(36, {3, 4, 3}, 12);
  const Transformer a(settings, layout);
  const Transformer b(settings, layout);
  const Transformer other(settings, layout);
  initialise(a, 5);
  initialise(b, 5);
  initialise(other, 6);
  EXPECT_TRUE(at::equal(a.parameters()[0].tensor, b.parameters()[0].tensor));
  EXPECT_FALSE(at::equal(a.parameters()[0].tensor, other.parameters()[0].tensor));
  // On every machine, and for ever.
  const at::Tensor first = a.parameters()[0].tensor[0];
  EXPECT_NEAR(first[0].item<double>(), -0.01644199, 1e-8);
  EXPECT_NEAR(first[1].item<double>(), 0.00985692, 1e-8);
  // Every tensor has values of its own.
  EXPECT_FALSE(at::equal(a.parameters()[1].tensor[0], a.parameters()[2].tensor[0]));
}

}  // namespace
}  // namespace sparse_transformer
