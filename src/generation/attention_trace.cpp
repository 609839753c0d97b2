#include "generation/attention_trace.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "attention/sparse_attention.h"
#include "config/errors.h"
#include "generation/sequence_grid.h"

namespace sparse_transformer {
namespace {

void check(const char* option, const std::vector<std::int64_t>& numbers, std::int64_t count) {
  for (const std::int64_t number : numbers) {
    if (number >= 0 && number < count) continue;
    throw UserError(std::string(option) + ": got " + std::to_string(number) + ", expected 0 to " +
                    std::to_string(count - 1));
  }
}

/// The first, the last and others between, `most` at most.
std::vector<std::int64_t> spread_over(std::int64_t count, std::int64_t most) {
  const std::int64_t chosen = std::min(count, most);
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < chosen; ++i) {
    numbers.push_back(chosen == 1 ? 0 : i * (count - 1) / (chosen - 1));
  }
  return numbers;
}

/// Somewhat right of the middle of rows that are ever later, the last one too.
std::vector<std::int64_t> spread_positions(const SequenceGrid& grid, std::int64_t length) {
  constexpr std::int64_t kPositions = 4;
  const std::int64_t rows = (length + grid.columns - 1) / grid.columns;
  const std::int64_t column = grid.pixels() * 5 / 8 * grid.channels + grid.channels / 2;
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 1; i <= kPositions; ++i) {
    const std::int64_t row = std::max<std::int64_t>(0, rows * i / kPositions - 1);
    const std::int64_t position = std::min(length - 1, row * grid.columns + column);
    if (positions.empty() || position > positions.back()) positions.push_back(position);
  }
  return positions;
}

}  // namespace

AttentionChoice spread_choice(AttentionChoice choice, const ModelSettings& settings,
                              const SequenceLayout& layout, std::int64_t length) {
  check("--layer", choice.layers, settings.layers);
  check("--head", choice.heads, settings.heads);
  check("--position", choice.positions, length);
  constexpr std::int64_t kLayers = 4;
  constexpr std::int64_t kMaps = 8;
  if (choice.layers.empty()) choice.layers = spread_over(settings.layers, kLayers);
  if (choice.heads.empty()) {
    const auto layers = static_cast<std::int64_t>(choice.layers.size());
    choice.heads = spread_over(settings.heads, std::max<std::int64_t>(1, kMaps / layers));
  }
  if (choice.positions.empty()) choice.positions = spread_positions(SequenceGrid(layout), length);
  return choice;
}

double AttentionMap::spread() const {
  if (query.weights.empty()) return 0.0;
  double entropy = 0.0;  // nats
  for (const float weight : query.weights) {
    const auto share = static_cast<double>(weight);
    if (share > 0.0) entropy -= share * std::log(share);
  }
  return std::exp(entropy);
}

std::optional<std::size_t> AttentionMap::strongest() const {
  if (query.weights.empty()) return std::nullopt;
  const auto found = std::max_element(query.weights.begin(), query.weights.end());
  return static_cast<std::size_t>(found - query.weights.begin());
}

std::vector<AttentionMap> trace_attention(const Transformer& model,
                                          const std::vector<std::uint8_t>& tokens,
                                          const AttentionChoice& choice) {
  const at::NoGradGuard no_gradients;
  std::vector<AttentionMap> maps;
  const Attend attend = [&](std::int64_t layer, const at::Tensor& packed) {
    const LayerPattern& pattern = model.patterns()[static_cast<std::size_t>(layer)];
    if (std::ranges::find(choice.layers, layer) != choice.layers.end()) {
      for (const std::int64_t head : choice.heads) {
        for (const std::int64_t position : choice.positions) {
          maps.push_back(
              {.layer = layer,
               .head = head,
               .position = position,
               .pattern = pattern.group_of(head).name,
               .query = attention_weights(packed, pattern, model.head_shape(), head, position)});
        }
      }
    }
    return sparse_attention(packed, pattern, model.head_shape(), model.computation().kernels);
  };
  at::Tensor read = at::empty({1, static_cast<std::int64_t>(tokens.size())}, at::kByte);
  std::copy(tokens.begin(), tokens.end(), read.data_ptr<std::uint8_t>());
  model.run_blocks(
      model.embedding().forward(read.to(model.device()), *model.settings().attention.stride),
      attend);
  return maps;
}

}  // namespace sparse_transformer
