// Recomputation changes no bit of the gradients, in any precision, with dropout and micro-batches.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <csignal>
#include <map>

#include "config/errors.h"
#include "config/words.h"
#include "model/transformer.h"
#include "runtime/stop.h"

namespace sparse_transformer {
namespace {

ModelSettings small_settings() {
  ModelSettings settings;
  settings.layers = 3;
  settings.width = 32;
  settings.heads = 2;
  settings.qk_ratio = 0.5;
  settings.dropout = 0.2;
  settings.embedding_dropout = 0.1;
  settings.attention.stride = 8;
  settings.attention.summary = 4;
  settings.attention.layers = {{"local", "column"}, {"fixed"}};
  resolve(settings, 60, {});
  return settings;
}

void randomise(const Transformer& model) {
  initialise(model, 5);
  at::manual_seed(5);
  model.parameters().back().tensor.normal_(0.0, 0.2);
  for (const NamedTensor& parameter : model.parameters()) parameter.tensor.requires_grad_(true);
}

at::Tensor tokens_of(std::int64_t batch) {
  at::manual_seed(6);
  return at::randint(256, {batch, 60}, at::kByte);
}

at::Tensor loss_of(const Transformer& model, const at::Tensor& tokens, const DropoutPlace& place) {
  const at::Tensor logits = model.forward(tokens, &place);
  EXPECT_EQ(logits.scalar_type(), at::kFloat);
  return at::cross_entropy_loss(logits.flatten(0, 1), tokens.flatten().to(at::kLong), {},
                                at::Reduction::Sum);
}

/// Logits and gradients of a batch of 4 in micro-batches.
std::vector<at::Tensor> results(const Computation& computation, std::int64_t micro_batch) {
  const Transformer model(small_settings(), sequence_layout(60, {}, 8), computation);
  randomise(model);
  const at::Tensor tokens = tokens_of(4);
  std::vector<at::Tensor> results;
  for (std::int64_t first = 0; first < 4; first += micro_batch) {
    const DropoutPlace place{.seed = 1, .step = 2, .first_sequence = first};
    const at::Tensor loss = loss_of(model, tokens.narrow(0, first, micro_batch), place);
    results.push_back(loss.detach());
    loss.backward();
  }
  for (const NamedTensor& parameter : model.parameters()) {
    EXPECT_EQ(parameter.tensor.grad().scalar_type(), at::kFloat) << parameter.name;
    results.push_back(parameter.tensor.grad());
  }
  return results;
}

struct Case {
  Precision precision;
  Recompute recompute;
  std::int64_t micro_batch;
};

class Recomputing : public testing::TestWithParam<Case> {};

TEST_P(Recomputing, ChangesNoBit) {
  const auto [precision, recompute, micro_batch] = GetParam();
  const auto kept = results({precision, Recompute::kNone}, micro_batch);
  const auto again = results({precision, recompute}, micro_batch);
  ASSERT_EQ(kept.size(), again.size());
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(at::equal(kept[i], again[i])) << i;
}

std::vector<Case> recompute_cases() {
  std::vector<Case> cases;
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kFloat16}) {
    for (const Recompute recompute : {Recompute::kAttention, Recompute::kBlock}) {
      for (const std::int64_t micro_batch : {1, 4})
        cases.push_back({precision, recompute, micro_batch});
    }
  }
  return cases;
}

std::string recompute_case_name(const testing::TestParamInfo<Case>& test) {
  const auto& [precision, recompute, micro_batch] = test.param;
  return word_of(kPrecisionWords, precision) + "_" + word_of(kRecomputeWords, recompute) + "_" +
         std::to_string(micro_batch);
}

INSTANTIATE_TEST_SUITE_P(Table, Recomputing, testing::ValuesIn(recompute_cases()),
                         recompute_case_name);

TEST(Recompute, ASignalStopsItsBackwardPass) {
  const Transformer model(small_settings(), sequence_layout(60, {}, 8),
                          {Precision::kFloat32, Recompute::kBlock});
  randomise(model);
  const at::Tensor loss = loss_of(model, tokens_of(1), {});
  {
    const StopSignals signals;
    std::raise(SIGTERM);
    EXPECT_THROW(torch::autograd::backward({loss}, {}), Interrupted);
  }
  const StopSignals forgets_it;
}

}  // namespace
}  // namespace sparse_transformer
