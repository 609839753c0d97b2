// Samples: sequences drawn token by token from a model.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "generation/token_choice.h"
#include "model/transformer.h"

namespace sparse_transformer {

/// Samples that are drawn at once, or side by side, at most.
inline constexpr std::int64_t kMostSamples = 100'000;

struct SamplingSettings {
  std::int64_t count = 1;
  std::int64_t batch = 16;               // sequences at a time
  std::int64_t length = 0;               // tokens of a sample, the prime included; 0 = n
  std::vector<std::uint8_t> prime = {};  // the first tokens of every sample
  TokenChoice choice = {};
  std::uint64_t seed = 1;
};

/// Samples of one sequence each, in the order of their index.
using Samples = std::vector<std::vector<std::uint8_t>>;

/// Told as the positions of a batch are drawn, one or several at a time: tokens drawn so far and
/// tokens to draw in all.
using SamplingProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Tokens of a sample of a model of n. Throws SettingError for settings that are out of range or do
/// not fit the model, named as the options of the command ("--top-p").
std::int64_t sample_length(const SamplingSettings& settings, std::int64_t n);

/// Draws settings.count samples and adds them to `samples` as they grow: when this throws, those of
/// earlier batches are whole and those of the batch in hand are prefixes of what they would have
/// become. The token at a position depends on (model, prime, choice, seed, index of the sample,
/// position); how many samples are drawn, and in which batches, changes the logits at most in
/// their rounding.
/// Throws SettingError as sample_length does, Interrupted once a stop has been asked for,
/// WorldError for a model whose output is not finite.
void draw_samples(const Transformer& model, const SamplingSettings& settings, Samples& samples,
                  const SamplingProgress& progress = {});

}  // namespace sparse_transformer
