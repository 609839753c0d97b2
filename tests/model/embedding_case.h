// Sequences to embed, and what plain code in float64 makes of them.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdint>
#include <vector>

#include "model/embedding.h"

namespace sparse_transformer {

struct EmbeddingCase {
  std::int64_t batch, length, multiple, width;
  std::vector<std::int64_t> axes;

  std::int64_t padded() const { return (length + multiple - 1) / multiple * multiple; }

  Embedding embedding(const Computation& computation) const {
    ModelSettings settings;
    settings.width = width;
    return {settings, {.length = length, .axes = axes}, computation};
  }
};

/// One to three tables; sequences of one token, with padding and without, shorter than the tables
/// allow and longer than one turn of the outermost; widths that fill threads and that do not.
inline std::vector<EmbeddingCase> embedding_cases() {
  return {{2, 60, 12, 16, {4, 5, 3}},
          {3, 37, 8, 5, {5, 8}},
          {1, 1, 4, 8, {2, 4}},
          {2, 100, 1, 200, {100}},
          {1, 70, 64, 33, {2, 3}}};
}

struct EmbeddingTensors {
  explicit EmbeddingTensors(const EmbeddingCase& c) : its_case(c) {
    at::manual_seed(4);
    tables.push_back(at::randn({256, c.width}));
    for (const std::int64_t size : c.axes) tables.push_back(at::randn({size, c.width}));
    tables.push_back(at::randn({c.width}));
    tokens = at::randint(250, 256, {c.batch, c.length}, at::kByte);  // some often, most never
    d_out = at::randn({c.batch, c.padded(), c.width});
  }

  EmbeddingCase its_case;
  std::vector<at::Tensor> tables;  // of tokens, of positions, the start vector
  at::Tensor tokens;
  at::Tensor d_out;
};

struct EmbeddingResults {
  at::Tensor out;
  std::vector<at::Tensor> gradients;  // of the tables
};

/// By an Embedding on the device of the tensors, in numbers of `type`, from d_out rounded to
/// `d_type`.
inline EmbeddingResults run_embedding(const EmbeddingTensors& x, const Computation& computation,
                                      at::ScalarType type, at::ScalarType d_type) {
  const Embedding embedding = x.its_case.embedding(computation);
  NamedTensors parameters;
  embedding.collect(parameters);
  std::vector<at::Tensor> leaves;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    parameters[i].tensor.set_data(x.tables[i].to(type));
    leaves.push_back(parameters[i].tensor.requires_grad_(true));
  }
  const at::Tensor out = embedding.forward(x.tokens, x.its_case.multiple);
  std::vector<at::Tensor> gradients =
      torch::autograd::grad({out}, leaves, {x.d_out.to(d_type).to(out.scalar_type())}, {}, false,
                            /*allow_unused=*/true);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(leaves[i]);
  }
  return {out.detach(), gradients};
}

inline EmbeddingResults exact_embedding(const EmbeddingTensors& x, at::ScalarType d_type) {
  return run_embedding(x, {.kernels = Kernels::kPlain}, at::kDouble, d_type);
}

inline void expect_close(const EmbeddingResults& results, const EmbeddingResults& exact,
                         double tolerance) {
  const auto difference = [](const at::Tensor& a, const at::Tensor& b) {
    return (a.cpu().to(at::kDouble).view_as(b) - b).abs().max().item<double>();
  };
  EXPECT_LT(difference(results.out, exact.out),
            tolerance * (1.0 + exact.out.abs().max().item<double>()));
  // Sums of as many numbers as there are positions, in float32 in any case.
  for (std::size_t i = 0; i < exact.gradients.size(); ++i) {
    EXPECT_LT(difference(results.gradients[i], exact.gradients[i]), 2e-5) << "table " << i;
  }
}

}  // namespace sparse_transformer
