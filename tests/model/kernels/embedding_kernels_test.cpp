// The CUDA kernels of the embedding, run block by block on the CPU (emulated_block.h).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "model/embedding.h"
#include "model/kernels/embedding.cuh"
#include "tests/model/embedding_case.h"
#include "tests/runtime/cuda/emulated_block.h"

namespace sparse_transformer {
namespace {

constexpr int kThreads = 64;

EmbeddingSizes sizes_of(const EmbeddingCase& c) {
  EmbeddingSizes sizes = {.batch = static_cast<std::int32_t>(c.batch),
                          .length = static_cast<std::int32_t>(c.length),
                          .padded = static_cast<std::int32_t>(c.padded()),
                          .width = static_cast<std::int32_t>(c.width),
                          .axes = static_cast<std::int32_t>(c.axes.size()),
                          .size = {},
                          .stride = {}};
  std::int32_t stride = 1;
  for (std::size_t axis = c.axes.size(); axis-- > 0; stride *= sizes.size[axis]) {
    sizes.size[axis] = static_cast<std::int32_t>(c.axes[axis]);
    sizes.stride[axis] = stride;
  }
  return sizes;
}

/// By the kernels, in numbers of `type`; stretches of `positions`.
template <ActivationType kType>
EmbeddingResults run(const EmbeddingTensors& x, at::ScalarType type, std::int32_t positions,
                     Order order) {
  using Number = typename embedding_kernels::Stored<kType>::Type;
  const EmbeddingSizes sizes = sizes_of(x.its_case);
  EmbeddingTables tables = {.token = x.tables.front().const_data_ptr<float>(),
                            .position = {},
                            .start = x.tables.back().const_data_ptr<float>()};
  for (std::size_t axis = 0; axis < x.its_case.axes.size(); ++axis) {
    tables.position[axis] = x.tables[1 + axis].const_data_ptr<float>();
  }
  const double unwritten = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor d_out = x.d_out.to(type);
  const at::Tensor out = at::full_like(d_out, unwritten);
  EmulatedBlock emulated(kThreads, embedding_kernels::backward_bytes(kThreads), order,
                         Arrival::kAtOnce);
  const auto* tokens = x.tokens.const_data_ptr<std::uint8_t>();
  emulated.run(embedding_kernels::forward_blocks(sizes, kThreads),
               [&](EmulatedThread& thread, std::int64_t block, std::uint16_t*) {
                 embedding_kernels::forward<kType>(thread, block, sizes, tables, tokens,
                                                   static_cast<Number*>(out.mutable_data_ptr()));
               });

  EmbeddingStretches stretches(sizes.length);
  stretches.positions = positions;
  stretches.count = (sizes.length + positions - 1) / positions;
  const at::Tensor sums = at::full({stretches.count, sizes.rows(), sizes.width}, unwritten);
  emulated.run(embedding_kernels::backward_blocks(sizes, stretches),
               [&](EmulatedThread& thread, std::int64_t block, std::uint16_t* shared) {
                 embedding_kernels::backward<kType>(
                     thread, block, sizes, stretches, tokens,
                     static_cast<const Number*>(d_out.const_data_ptr()), sums.data_ptr<float>(),
                     reinterpret_cast<float*>(shared));
               });
  std::vector<std::int64_t> rows = x.its_case.axes;
  rows.insert(rows.begin(), EmbeddingSizes::kTokens);
  rows.push_back(1);
  return {out, sums.sum(0).split_with_sizes(rows)};
}

/// Which order and stretches does not matter: each is met.
template <ActivationType kType>
void expect_exact(const EmbeddingCase& c, at::ScalarType type, double tolerance) {
  const EmbeddingTensors x(c);
  const EmbeddingResults exact = exact_embedding(x, type);
  expect_close(run<kType>(x, type, 48, Order::kForwards), exact, tolerance);
  expect_close(run<kType>(x, type, 1000, Order::kBackwards), exact, tolerance);
}

TEST(EmbeddingKernels, AreAsExactAsPlainCode) {
  for (const EmbeddingCase& c : embedding_cases()) {
    expect_exact<ActivationType::kFloat32>(c, at::kFloat, 1e-6);
  }
}

TEST(EmbeddingKernels, RoundToHalves) {
  const EmbeddingCase c = embedding_cases().front();
  expect_exact<ActivationType::kBfloat16>(c, at::kBFloat16, 5e-3);
  expect_exact<ActivationType::kFloat16>(c, at::kHalf, 6e-4);
}

TEST(EmbeddingKernels, StretchesCoverASequence) {
  for (const std::int32_t length : {1, 255, 256, 257, 4096, 4097, 12288, 1048576}) {
    const EmbeddingStretches stretches(length);
    EXPECT_LE(stretches.count, EmbeddingStretches::kMost);
    EXPECT_GE(std::int64_t{stretches.count} * stretches.positions, length);
    EXPECT_LT(std::int64_t{stretches.count - 1} * stretches.positions, length);
  }
}

}  // namespace
}  // namespace sparse_transformer
