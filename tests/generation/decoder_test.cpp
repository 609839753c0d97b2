#include "generation/decoder.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/generation/small_model.h"

namespace sparse_transformer {
namespace {

/// Logits of the positions from prime on, [batch, n - prime, 256]. All sequences must begin with
/// the first `prime` tokens of the first one.
at::Tensor decode(const Transformer& model, const at::Tensor& tokens, std::int64_t prime) {
  Decoder decoder(model, tokens.size(0), tokens.size(1));
  std::vector<at::Tensor> logits = {
      decoder.start({tokens.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(prime)})};
  for (std::int64_t t = prime; t + 1 < tokens.size(1); ++t) {
    logits.push_back(decoder.step(tokens.select(1, t)));
  }
  return at::stack(logits, 1);
}

at::Tensor whole_sequences(const Transformer& model, const at::Tensor& tokens) {
  const at::NoGradGuard no_gradients;
  return model.forward(tokens);
}

constexpr std::array<Kernels, 2> kBothKernels = {Kernels::kFused, Kernels::kPlain};

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(Decoder, LogitsEqualThoseOfWholeSequencesForEveryPattern) {
  for (const SmallModel& m : small_models()) {
    SCOPED_TRACE(model_name(m));
    for (const Kernels kernels : kBothKernels) {
      const auto model = make_model(m, {.kernels = kernels});
      const at::Tensor tokens = random_tokens(3, m.n);
      EXPECT_LT(largest_difference(decode(*model, tokens, 0), whole_sequences(*model, tokens)),
                1e-5);
    }
  }
}

TEST(Decoder, LogitsEqualThoseOfWholeSequencesInFloat64) {
  for (const SmallModel& m : small_models()) {
    SCOPED_TRACE(model_name(m));
    for (const Kernels kernels : kBothKernels) {
      const auto model = make_model(m, {.kernels = kernels});
      convert_parameters(*model, at::kDouble);
      const at::Tensor tokens = random_tokens(1, m.n).repeat({2, 1});
      const at::Tensor whole = whole_sequences(*model, tokens);
      const at::Tensor decoded = decode(*model, tokens, m.stride);
      EXPECT_EQ(decoded.scalar_type(), at::kDouble);
      EXPECT_LT(largest_difference(decoded, whole.narrow(1, m.stride, m.n - m.stride)), 1e-12);
    }
  }
}

TEST(Decoder, ASequenceHasTheSameBitsInAnyBatch) {
  const SmallModel m = {.layers = {{"local+column"}, {"fixed"}}, .n = 39, .stride = 6};
  const auto model = make_model(m);
  const at::Tensor tokens = random_tokens(9, m.n);
  const at::Tensor all = decode(*model, tokens, 0);
  for (std::int64_t sequence = 0; sequence < 9; ++sequence) {
    EXPECT_TRUE(
        at::equal(decode(*model, tokens.narrow(0, sequence, 1), 0), all.narrow(0, sequence, 1)));
  }
}

// As far from float32 as half precision takes whole sequences.
TEST(Decoder, LogitsEqualThoseOfWholeSequencesInHalfPrecision) {
  const SmallModel m = {.layers = {{"local+column"}, {"fixed"}}};
  const at::Tensor tokens = random_tokens(1, m.n).repeat({3, 1});
  const at::Tensor exact = whole_sequences(*make_model(m), tokens).narrow(1, 4, m.n - 4);
  for (const Precision precision : {Precision::kBfloat16, Precision::kFloat16}) {
    const auto model = make_model(m, {.precision = precision});
    const at::Tensor whole = whole_sequences(*model, tokens).narrow(1, 4, m.n - 4);
    const at::Tensor decoded = decode(*model, tokens, 4);
    EXPECT_EQ(decoded.scalar_type(), at::kFloat);
    EXPECT_GT(largest_difference(decoded, exact), 0.0);
    EXPECT_LT(largest_difference(decoded, exact), 2 * largest_difference(whole, exact) + 1e-3);
  }
}

TEST(Decoder, APrimeReadAtOnceEqualsTokenByToken) {
  for (const SmallModel& m : small_models()) {
    SCOPED_TRACE(model_name(m));
    for (const Kernels kernels : kBothKernels) {
      const auto model = make_model(m, {.kernels = kernels});
      const at::Tensor tokens = random_tokens(1, m.n).repeat({2, 1});
      const at::Tensor by_token = decode(*model, tokens, 0);
      for (const std::int64_t prime : {std::int64_t{1}, m.stride, 2 * m.stride + 1, m.n - 1}) {
        EXPECT_LT(largest_difference(decode(*model, tokens, prime),
                                     by_token.narrow(1, prime, m.n - prime)),
                  1e-5)
            << "prime of " << prime;
      }
    }
  }
}

TEST(Decoder, RecordsNoGradients) {
  const auto model = make_model({});
  for (const NamedTensor& parameter : model->parameters()) parameter.tensor.requires_grad_(true);
  Decoder decoder(*model, 2, 8);
  EXPECT_FALSE(decoder.start({}).requires_grad());
  EXPECT_FALSE(decoder.step(at::zeros({2}, at::kByte)).requires_grad());
}

// Rows of 2·8 floats a head: a window of l, the columns of a sequence cut to 20 tokens.
TEST(Decoder, MemoryFollowsThePatternAndTheLengthAskedFor) {
  const auto model = make_model({.layers = {{"local"}, {"column"}}, .n = 100, .stride = 4});
  Decoder decoder(*model, 3, 20);
  decoder.start({});
  constexpr std::int64_t kHeads = 2;
  EXPECT_EQ(decoder.cache().bytes(), 3 * kHeads * (4 + 20) * (4 + 8) * 4);
}

}  // namespace
}  // namespace sparse_transformer
