#include <ATen/ATen.h>

#include <memory>

#include "attention/kernels/token_cuda.h"
#include "attention/kernels/token_plan.h"
#include "attention/kv_cache.h"
#include "attention/pattern.h"
#include "generation/kernels/token_choice_cuda.h"
#include "generation/sampling_checks.h"
#include "generation/token_uniform.h"
#include "runtime/cuda/call.h"
#include "runtime/random_tensors.h"

namespace sparse_transformer {
namespace {

using Tensors = std::vector<at::Tensor>;

constexpr std::int64_t kBatch = 3, kHeads = 2, kLength = 45;

/// Of local and strided heads, so that caches of both kinds are read.
std::vector<LayerPattern> small_patterns() {
  AttentionSettings settings;
  settings.stride = 8;
  settings.layers = {{"local", "column"}};
  return layer_patterns(settings, /*layers=*/1, kHeads, kLength);
}

/// A cache that holds all positions of `packed` but the last, without fused kernels.
std::unique_ptr<KeyValueCache> filled_cache(const HeadShape& shape, const at::Tensor& packed) {
  auto cache = std::make_unique<KeyValueCache>(
      small_patterns(), CacheShape{.batch = kBatch, .length = kLength}, shape, Kernels::kPlain);
  cache->append(0, packed.narrow(1, 0, kLength - 1));
  return cache;
}

KernelCheck attention_check(const HeadShape& shape, at::ScalarType type, c10::Device device) {
  RandomTensors random(1);
  const at::Tensor packed = random({kBatch, kLength, kHeads, shape.packed_width()},
                                   at::TensorOptions(device).dtype(type));
  const at::Tensor last = packed.narrow(1, kLength - 1, 1);
  const auto compute = [=] {
    const auto cache = filled_cache(shape, packed);
    const at::Tensor position = at::full({1}, kLength - 1, packed.options().dtype(at::kLong));
    return Tensors{TokenAttention::of(*cache).value().attend(0, last, position)};
  };
  const auto plain = [=] {
    const auto cache = filled_cache(shape, packed.to(at::kFloat));
    return Tensors{cache->attend(0, last.to(at::kFloat))};
  };
  return {.name = "the attention of one token", .compute = compute, .plain = plain};
}

/// Tokens are not rounded: they must be equal.
KernelCheck choice_check(c10::Device device) {
  constexpr std::uint64_t kSeed = 7;
  constexpr std::int64_t kPosition = 1;
  static constexpr TokenChoice kChoice = {.temperature = 0.9, .top_k = 50, .top_p = 0.95};
  const at::Tensor logits = 3 * RandomTensors(2)({kBatch, 256}, at::kFloat);
  const auto compute = [=] {
    const BatchDraw batch = {.first = 0,
                             .size = kBatch,
                             .length = kPosition + 1,
                             .prime = {},
                             .choice = kChoice,
                             .seed = kSeed};
    const DrawnTokens drawn(batch, kPosition, device);
    choose_tokens(batch, logits.to(device), drawn);
    return Tensors{drawn.tokens.select(1, kPosition)};
  };
  const auto plain = [=] {
    at::Tensor tokens = at::empty({kBatch});
    for (std::int64_t sample = 0; sample < kBatch; ++sample) {
      const at::Tensor row = logits[sample].to(at::kDouble);
      const std::span<const double, 256> numbers(row.const_data_ptr<double>(), 256);
      tokens[sample] =
          token_at(token_probabilities(numbers, kChoice), token_uniform(kSeed, sample, kPosition));
    }
    return Tensors{tokens.to(device)};
  };
  return {.name = "the choice of a token", .compute = compute, .plain = plain};
}

}  // namespace

std::vector<KernelCheck> sampling_checks(const HeadShape& shape, at::ScalarType type,
                                         c10::Device device) {
  if (!has_kernels_for(device)) return {};
  std::vector<KernelCheck> checks = {choice_check(device)};
  if (serves_token(shape, type)) checks.push_back(attention_check(shape, type, device));
  return checks;
}

}  // namespace sparse_transformer
