// Small models with random weights that matter: strong attention, an output matrix that is not
// zero.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/transformer.h"

namespace sparse_transformer {

struct SmallModel {
  WordLists layers = {{"strided"}};
  std::int64_t n = 23;
  std::int64_t stride = 5;
  std::int64_t summary = 1;
  std::int64_t heads = 2;
  std::int64_t depth = 2;
  double qk_ratio = 0.5;  // queries and keys narrower than values
  std::int64_t head_width = 8;
  std::vector<std::int64_t> picture = {};  // height, width, channels; n is their product
  AugmentationSettings augmentation = {};
};

/// A definition of each way in which a cache keeps keys.
inline Named<Definition> small_definitions() {
  return {{"near", {WindowPattern{.width = 3, .dilation = 2, .origin = 1}}},
          {"start", {SinkPattern{.tokens = 2}}},
          {"plane", {AxisPattern{.size = 3, .inner = 4}}},
          {"conv", {ConvolutionPattern{.kernel = 3, .row = {}}}},
          {"spread", {SpreadPattern{.count = 2, .row = 4}}},
          {"vertical", {VerticalPattern{.block = 2, .stride = 3}}},
          {"tokens", {GlobalPattern{.positions = {3, 7, 8}}}},
          {"random", {RandomPattern{.block = 3, .blocks = 2}}}};
}

inline std::string model_name(const SmallModel& m) {
  std::string name;
  for (const auto& entry : m.layers) {
    name += "(";
    for (const std::string& group : entry) name += group + " ";
    name += ") ";
  }
  return name + "n=" + std::to_string(m.n) + " l=" + std::to_string(m.stride) +
         " c=" + std::to_string(m.summary) + " heads=" + std::to_string(m.heads) +
         " qk_ratio=" + std::to_string(m.qk_ratio);
}

inline std::unique_ptr<Transformer> make_model(const SmallModel& m,
                                               const Computation& computation = {}) {
  at::set_num_threads(1);  // so little work that threads would only wait for each other
  ModelSettings settings;
  settings.layers = m.depth;
  settings.heads = m.heads;
  settings.width = m.head_width * m.heads;
  settings.qk_ratio = m.qk_ratio;
  settings.feedforward_ratio = 2;
  settings.attention.stride = m.stride;
  settings.attention.summary = m.summary;
  settings.attention.layers = m.layers;
  settings.attention.define = small_definitions();
  settings.augmentation = m.augmentation;
  // Far above the usual spread, so that every key counts.
  settings.initialisation = {.token = 1.0, .position = 1.0, .weight = 2.0, .residual = 1.0};
  resolve(settings, m.n, m.picture);
  auto model = std::make_unique<Transformer>(settings, sequence_layout(m.n, m.picture, m.stride),
                                             computation);
  initialise(*model, 5);
  at::manual_seed(5);
  model->parameters().back().tensor.normal_(0.0, 1.0 / std::sqrt(settings.width));
  return model;
}

/// Every pattern, head groups and cycles of layers, n a multiple of l or not and past 3·l, queries
/// as wide as values or not; and a model that training told of augmentations.
inline std::vector<SmallModel> small_models() {
  const std::vector<WordLists> patterns = {
      {{"dense"}},
      {{"local"}},
      {{"row"}},
      {{"column"}},
      {{"previous"}},
      {{"summary"}},
      {{"strided"}},
      {{"fixed"}},
      {{"local+column"}},
      {{"row+previous"}},
      {{"row+previous+column"}},
      {{"row+previous+summary"}},
      {{"local", "column"}},
      {{"fixed", "local+column"}},
      {{"summary", "row"}, {"dense"}, {"previous", "column"}},
      {{"column"}, {"local"}, {"local"}},
      {{"local+summary"}},
      {{"column+summary"}},
      {{"near+start"}, {"plane"}, {"conv+column"}},
      {{"spread"}, {"vertical"}, {"tokens"}},
      {{"random", "vertical+local"}, {"random+start+tokens"}},
  };
  std::vector<SmallModel> models;
  for (const WordLists& layers : patterns) {
    models.push_back({.layers = layers, .n = 20, .stride = 5, .depth = 3, .qk_ratio = 1.0});
    models.push_back(
        {.layers = layers, .n = 39, .stride = 6, .summary = 2, .heads = 6, .depth = 3});
  }
  models.push_back({.layers = {{"strided"}},
                    .n = 48,
                    .stride = 12,
                    .picture = {4, 4, 3},
                    .augmentation = {.rotation = true,
                                     .colours = true,
                                     .transposition = true,
                                     .reversal = true,
                                     .jigsaw = true}});
  return models;
}

inline at::Tensor random_tokens(std::int64_t batch, std::int64_t n) {
  at::manual_seed(3);
  return at::randint(256, {batch, n}, at::kByte);
}

}  // namespace sparse_transformer
