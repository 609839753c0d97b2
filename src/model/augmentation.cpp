#include "model/augmentation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "config/errors.h"
#include "runtime/random.h"

namespace sparse_transformer {
namespace {

struct Kind {
  std::string_view name;
  bool AugmentationSettings::*used;
  std::int64_t forms;
};

constexpr std::array<Kind, kAugmentationKinds> kKinds = {{
    {"rotation", &AugmentationSettings::rotation, 4},
    {"colours", &AugmentationSettings::colours, 6},
    {"transposition", &AugmentationSettings::transposition, 2},
    {"reversal", &AugmentationSettings::reversal, 2},
    {"jigsaw", &AugmentationSettings::jigsaw, 24},
}};

const Kind& facts_of(AugmentationKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

/// Place of a byte in a picture.
struct Pixel {
  std::int64_t row, column, channel;
};

/// The orders of three channels, lexicographic: the first changes nothing.
constexpr std::array<std::array<std::int64_t, 3>, 6> kColourOrders = {
    {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}};

using Quarters = std::array<std::int64_t, 4>;  // each 0 to 3, row by row

/// The order of the quarters of this number.
Quarters quarters_of(std::int64_t form) {
  Quarters order = {0, 1, 2, 3};
  for (std::int64_t i = 0; i < form; ++i) std::next_permutation(order.begin(), order.end());
  return order;
}

/// Which byte of the original the augmented picture shows here. `height` and `width` are even where
/// the quarters are moved, and equal for turns and transposition.
Pixel source_of(Pixel pixel, const Augmentation& augmentation, std::int64_t height,
                std::int64_t width, const Quarters& quarters) {
  const auto form = [&](AugmentationKind kind) {
    return augmentation[static_cast<std::size_t>(kind)];
  };
  // Back from the last kind to the first.
  if (form(AugmentationKind::kJigsaw) > 0) {
    const std::int64_t rows = height / 2;
    const std::int64_t columns = width / 2;
    const auto here = static_cast<std::size_t>(pixel.row / rows * 2 + pixel.column / columns);
    pixel.row = pixel.row % rows + quarters[here] / 2 * rows;
    pixel.column = pixel.column % columns + quarters[here] % 2 * columns;
  }
  if (form(AugmentationKind::kReversal) == 1) {
    pixel.row = height - 1 - pixel.row;
    pixel.column = width - 1 - pixel.column;
  }
  if (form(AugmentationKind::kTransposition) == 1) std::swap(pixel.row, pixel.column);
  if (const std::int64_t colours = form(AugmentationKind::kColours); colours > 0) {
    pixel.channel =
        kColourOrders[static_cast<std::size_t>(colours)][static_cast<std::size_t>(pixel.channel)];
  }
  for (std::int64_t turn = 0; turn < form(AugmentationKind::kRotation); ++turn) {
    pixel = {height - 1 - pixel.column, pixel.row, pixel.channel};  // a quarter turn, clockwise
  }
  return pixel;
}

std::vector<std::int64_t> picture_order(const Augmentation& augmentation,
                                        const std::vector<std::int64_t>& shape) {
  const Quarters quarters =
      quarters_of(augmentation[static_cast<std::size_t>(AugmentationKind::kJigsaw)]);
  std::vector<std::int64_t> order;
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    for (std::int64_t column = 0; column < shape[1]; ++column) {
      for (std::int64_t channel = 0; channel < shape[2]; ++channel) {
        const Pixel source =
            source_of({row, column, channel}, augmentation, shape[0], shape[1], quarters);
        order.push_back((source.row * shape[1] + source.column) * shape[2] + source.channel);
      }
    }
  }
  return order;
}

/// The random number, 32 bits, of a kind of augmentation for a sequence.
std::uint64_t word_of(std::uint64_t seed, std::int64_t index, std::uint32_t kind) {
  // Numbers that no dropout mask has: these sites are none of a layer's (dropout.h).
  constexpr std::uint32_t kDomain = 0xFFFFFFFFU;
  const auto sequence = static_cast<std::uint64_t>(index);
  const auto words =
      philox(seed, {static_cast<std::uint32_t>(sequence),
                    static_cast<std::uint32_t>(sequence >> 32U), kDomain - kind / 4, kDomain});
  return words[kind % 4];
}

}  // namespace

void AugmentationSettings::describe(FieldVisitor& visit) {
  visit.field("rotation", rotation, "square pictures turned clockwise by 0 to 3 quarter turns");
  visit.field("colours", colours, "red, green and blue in any of their 6 orders");
  visit.field("transposition", transposition, "square pictures with rows as columns, or not");
  visit.field("reversal", reversal,
              "pictures turned by half a turn, or not; streams with the last token first, or not");
  visit.field("jigsaw", jigsaw, "the four quarters of pictures in any of their 24 orders");
  visit.field(
      "unaugmented", unaugmented,
      "share of the sequences that are shown as they are; not given: each form of each kind "
      "is equally likely",
      Range<double>{.low = 0.0, .high = 1.0});
  visit.field("told", told,
              "whether the model is told the form; false is the ablation of Jun et al. 2020");
  visit.field("moves_positions", moves_positions,
              "whether a token keeps the position embedding of its place in the original; false is "
              "the ablation of Jun et al. 2020");
}

std::vector<AugmentationKind> used_kinds(const AugmentationSettings& settings) {
  std::vector<AugmentationKind> kinds;
  for (std::size_t i = 0; i < kAugmentationKinds; ++i) {
    if (settings.*kKinds[i].used) kinds.push_back(static_cast<AugmentationKind>(i));
  }
  return kinds;
}

std::vector<AugmentationKind> told_kinds(const AugmentationSettings& settings) {
  return settings.told ? used_kinds(settings) : std::vector<AugmentationKind>();
}

std::int64_t forms_of(AugmentationKind kind) { return facts_of(kind).forms; }

std::string augmentation_name(AugmentationKind kind) {
  return "embedding.augmentation." + std::string(facts_of(kind).name) + ".weight";
}

Augmentation choose_augmentation(const AugmentationSettings& settings, std::uint64_t seed,
                                 std::int64_t index) {
  const std::vector<AugmentationKind> kinds = used_kinds(settings);
  const auto count = static_cast<double>(kinds.size());
  Augmentation augmentation{};
  for (const AugmentationKind kind : kinds) {
    const auto i = static_cast<std::size_t>(kind);
    const std::uint64_t word = word_of(seed, index, static_cast<std::uint32_t>(i));
    const auto forms = static_cast<std::uint64_t>(forms_of(kind));
    if (!settings.unaugmented) {
      augmentation[i] = static_cast<std::int64_t>(word * forms >> 32U);
      continue;
    }
    const double unchanged = std::pow(*settings.unaugmented, 1.0 / count);
    const double draw = static_cast<double>(word) * 0x1p-32;
    if (draw < unchanged) continue;
    const double share = (draw - unchanged) / (1.0 - unchanged);  // in [0, 1)
    augmentation[i] = 1 + static_cast<std::int64_t>(share * static_cast<double>(forms - 1));
  }
  return augmentation;
}

std::vector<std::int64_t> reading_order(const Augmentation& augmentation,
                                        const std::vector<std::int64_t>& picture_shape,
                                        std::int64_t length) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(length));
  std::iota(order.begin(), order.end(), 0);
  if (!picture_shape.empty()) return picture_order(augmentation, picture_shape);
  if (augmentation[static_cast<std::size_t>(AugmentationKind::kReversal)] == 1) {
    std::reverse(order.begin(), order.end());
  }
  return order;
}

AugmentedTokens augment(const at::Tensor& tokens, const AugmentationSettings& settings,
                        const std::vector<std::int64_t>& picture_shape, std::uint64_t seed,
                        std::int64_t first) {
  const at::Tensor sources = at::empty(tokens.sizes(), at::kLong);
  const at::Tensor forms =
      at::empty({tokens.size(0), static_cast<std::int64_t>(kAugmentationKinds)}, at::kLong);
  for (std::int64_t i = 0; i < tokens.size(0); ++i) {
    const Augmentation augmentation = choose_augmentation(settings, seed, first + i);
    const std::vector<std::int64_t> order =
        reading_order(augmentation, picture_shape, tokens.size(1));
    std::copy(order.begin(), order.end(), sources[i].data_ptr<std::int64_t>());
    std::copy(augmentation.begin(), augmentation.end(), forms[i].data_ptr<std::int64_t>());
  }
  const at::Tensor positions =
      settings.moves_positions
          ? sources
          : at::arange(tokens.size(1), sources.options()).expand_as(sources).contiguous();
  return {.tokens = tokens.gather(1, sources), .shown = {positions, forms}};
}

void check_augmentation(const AugmentationSettings& settings,
                        const std::vector<std::int64_t>& picture_shape) {
  const bool is_square = !picture_shape.empty() && picture_shape[0] == picture_shape[1];
  const auto require = [](bool used, bool fits, const std::string& kind, const std::string& what) {
    if (used && !fits) throw SettingError("model.augmentation." + kind, "is for " + what + " only");
  };
  require(settings.rotation, is_square, "rotation", "square pictures");
  require(settings.transposition, is_square, "transposition", "square pictures");
  const bool has_quarters =
      !picture_shape.empty() && picture_shape[0] % 2 == 0 && picture_shape[1] % 2 == 0;
  require(settings.jigsaw, has_quarters, "jigsaw", "pictures of even height and width");
  require(settings.colours, !picture_shape.empty() && picture_shape[2] == 3, "colours",
          "pictures of three channels");
}

}  // namespace sparse_transformer
