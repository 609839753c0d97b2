// Distribution augmentation (Jun et al. 2020, "Distribution Augmentation for Generative Modeling"):
// training also sees its sequences turned, mirrored, with other colours or backwards, and is told
// which by learned vectors that are added to the start vector. Without any of it the start vector
// stands alone: so evaluation and sampling are of the data as they are.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"

namespace sparse_transformer {

/// The `model.augmentation:` section of a config.
struct AugmentationSettings {
  bool rotation = false;       // by quarter turns; square pictures
  bool colours = false;        // the channels in another order; three channels
  bool transposition = false;  // rows as columns; square pictures
  bool reversal = false;       // the last token first; any sequence
  void describe(FieldVisitor& visit);
};

/// Kinds of augmentation, in the order in which they are applied.
enum class AugmentationKind : std::uint8_t { kRotation, kColours, kTransposition, kReversal };
inline constexpr std::size_t kAugmentationKinds = 4;

/// The kinds that the settings ask for, in that order.
std::vector<AugmentationKind> used_kinds(const AugmentationSettings& settings);
/// How many forms of a sequence there are, the one that changes nothing included: 4 quarter turns,
/// 6 orders of red, green and blue, 2 of the others.
std::int64_t forms_of(AugmentationKind kind);
/// The name of the tensor that tells a model the form: "embedding.augmentation.rotation.weight",
/// [forms - 1, d].
std::string augmentation_name(AugmentationKind kind);

/// How one sequence is shown: a form of each kind, 0 = as it is.
using Augmentation = std::array<std::int64_t, kAugmentationKinds>;

/// The augmentation of sequence `index` of a run: each form of each kind that is used is equally
/// likely. A function of (settings, seed, index).
Augmentation choose_augmentation(const AugmentationSettings& settings, std::uint64_t seed,
                                 std::int64_t index);

/// The order in which the augmented sequence takes the tokens of the original: its token t is the
/// original's token order[t], which keeps its own position embedding. A permutation of [0, length).
/// picture_shape: height, width, channels, or empty for other sequences.
std::vector<std::int64_t> reading_order(const Augmentation& augmentation,
                                        const std::vector<std::int64_t>& picture_shape,
                                        std::int64_t length);

/// Where the tokens of augmented sequences come from, for the embedding.
struct Shown {
  at::Tensor positions;  // [batch, n] int64: the place of each token in the original
  at::Tensor forms;      // [batch, kAugmentationKinds] int64
};

struct AugmentedTokens {
  at::Tensor tokens;  // [batch, n] uint8
  Shown shown;
};

/// The sequences first, first + 1, … of a run as training shows them. tokens: [batch, n] uint8 on
/// the CPU, as the results are.
AugmentedTokens augment(const at::Tensor& tokens, const AugmentationSettings& settings,
                        const std::vector<std::int64_t>& picture_shape, std::uint64_t seed,
                        std::int64_t first);

/// Throws SettingError ("model.augmentation.KIND") where the sequences cannot be shown so.
void check_augmentation(const AugmentationSettings& settings,
                        const std::vector<std::int64_t>& picture_shape);

}  // namespace sparse_transformer
