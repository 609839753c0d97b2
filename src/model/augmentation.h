// Distribution augmentation (Jun et al. 2020, "Distribution Augmentation for Generative Modeling"):
// training also sees its sequences turned, mirrored, in other colours, backwards or in pieces, and
// is told which by learned vectors that are added to the start vector. Without any of it the start
// vector stands alone: this is how evaluation and sampling see the data.
//
// The forms and their numbers are those of the authors' release (openai/distribution_augmentation,
// train.py: rotate, color_swap, transpose, reverse, jigsaw).
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"

namespace sparse_transformer {

/// The `model.augmentation:` section of a config.
struct AugmentationSettings {
  bool rotation = false;       // by quarter turns, clockwise; square pictures
  bool colours = false;        // the channels in another order; three channels
  bool transposition = false;  // rows as columns; square pictures
  bool reversal = false;       // by half a turn; a stream: the last token first
  bool jigsaw = false;         // the four quarters of a picture in another order
  // The share of sequences that are shown as they are; none: each form is equally likely.
  std::optional<double> unaugmented = {};
  bool told = true;             // whether the start vector tells the forms
  bool moves_positions = true;  // whether a token keeps the position embedding of its old place
  void describe(FieldVisitor& visit);
};

/// Kinds of augmentation, in the order in which they are applied.
enum class AugmentationKind : std::uint8_t {
  kRotation,
  kColours,
  kTransposition,
  kReversal,
  kJigsaw
};
inline constexpr std::size_t kAugmentationKinds = 5;

/// The kinds that the settings ask for, in that order.
std::vector<AugmentationKind> used_kinds(const AugmentationSettings& settings);
/// Those that the start vector tells: all, or none.
std::vector<AugmentationKind> told_kinds(const AugmentationSettings& settings);
/// How many forms of a sequence there are, the one that changes nothing included: 4 quarter turns,
/// 6 orders of red, green and blue, 24 orders of the quarters, 2 of the others. Orders are numbered
/// lexicographically.
std::int64_t forms_of(AugmentationKind kind);
/// The name of the tensor that tells a model the form: "embedding.augmentation.rotation.weight",
/// [forms - 1, d].
std::string augmentation_name(AugmentationKind kind);

/// How one sequence is shown: a form of each kind, 0 = as it is.
using Augmentation = std::array<std::int64_t, kAugmentationKinds>;

/// The augmentation of sequence `index` of a run. The kinds are drawn independently: of K kinds
/// each leaves the sequence as it is with probability unaugmented^(1/K), and takes each other form
/// equally often. A function of (settings, seed, index).
Augmentation choose_augmentation(const AugmentationSettings& settings, std::uint64_t seed,
                                 std::int64_t index);

/// The order in which the augmented sequence takes the tokens of the original: its token t is the
/// original's token order[t]. A permutation of [0, length).
/// picture_shape: height, width, channels, or empty for other sequences.
std::vector<std::int64_t> reading_order(const Augmentation& augmentation,
                                        const std::vector<std::int64_t>& picture_shape,
                                        std::int64_t length);

/// Where the tokens of augmented sequences come from, for the embedding.
struct Shown {
  at::Tensor positions;  // [batch, n] int64: whose position embedding each token has
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
