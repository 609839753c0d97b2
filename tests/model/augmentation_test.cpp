#include "model/augmentation.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "config/errors.h"
#include "model/embedding.h"
#include "model/transformer.h"

namespace sparse_transformer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

const std::vector<std::int64_t> kGrey = {2, 2, 1};

Augmentation only(AugmentationKind kind, std::int64_t form) {
  Augmentation augmentation{};
  augmentation[static_cast<std::size_t>(kind)] = form;
  return augmentation;
}

// ---- the definition of the authors' release, written out as it is there, on rows of pixels ----

using Pixel = std::vector<std::int64_t>;  // a number for each channel
using Picture = std::vector<std::vector<Pixel>>;

Picture numbered(const std::vector<std::int64_t>& shape) {
  Picture picture;
  std::int64_t next = 0;
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    picture.emplace_back();
    for (std::int64_t column = 0; column < shape[1]; ++column) {
      picture.back().emplace_back();
      for (std::int64_t channel = 0; channel < shape[2]; ++channel) {
        picture.back().back().push_back(next++);
      }
    }
  }
  return picture;
}

std::vector<std::int64_t> flat(const Picture& picture) {
  std::vector<std::int64_t> numbers;
  for (const auto& row : picture) {
    for (const Pixel& pixel : row) numbers.insert(numbers.end(), pixel.begin(), pixel.end());
  }
  return numbers;
}

Picture transposed(const Picture& picture) {
  Picture result(picture.front().size(), std::vector<Pixel>(picture.size()));
  for (std::size_t row = 0; row < picture.size(); ++row) {
    for (std::size_t column = 0; column < picture[row].size(); ++column) {
      result[column][row] = picture[row][column];
    }
  }
  return result;
}

/// numpy.rot90(picture, axes=(1, 0)): the last row becomes the first column.
Picture turned_clockwise(Picture picture) {
  std::reverse(picture.begin(), picture.end());
  return transposed(picture);
}

Picture recoloured(Picture picture, const std::vector<std::size_t>& order) {
  for (auto& row : picture) {
    for (Pixel& pixel : row) pixel = {pixel[order[0]], pixel[order[1]], pixel[order[2]]};
  }
  return picture;
}

/// Quarter i of the result is quarter order[i] of the picture.
Picture rearranged(const Picture& picture, const std::vector<std::size_t>& order) {
  const std::size_t rows = picture.size() / 2;
  const std::size_t columns = picture.front().size() / 2;
  Picture result = picture;
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < columns; ++column) {
        result[i / 2 * rows + row][i % 2 * columns + column] =
            picture[order[i] / 2 * rows + row][order[i] % 2 * columns + column];
      }
    }
  }
  return result;
}

/// All orders of 0 to count - 1, lexicographic, as itertools.permutations gives them.
std::vector<std::vector<std::size_t>> orders_of(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::vector<std::size_t>> all;
  do {
    all.push_back(order);
  } while (std::next_permutation(order.begin(), order.end()));
  return all;
}

Picture shown(Picture picture, const Augmentation& forms) {
  for (std::int64_t turn = 0; turn < forms[0]; ++turn) picture = turned_clockwise(picture);
  if (forms[1] > 0) picture = recoloured(picture, orders_of(3)[static_cast<std::size_t>(forms[1])]);
  if (forms[2] == 1) picture = transposed(picture);
  if (forms[3] == 1) picture = turned_clockwise(turned_clockwise(picture));
  return rearranged(picture, orders_of(4)[static_cast<std::size_t>(forms[4])]);
}

TEST(Augmentation, EveryCombinationIsTheReleasesInItsOrder) {
  const std::vector<std::int64_t> shape = {4, 4, 3};
  const Picture picture = numbered(shape);
  int combinations = 0;
  for (std::int64_t i = 0; i < 4 * 6 * 2 * 2 * 24; ++i) {
    const Augmentation forms = {i % 4, i / 4 % 6, i / 24 % 2, i / 48 % 2, i / 96};
    ASSERT_EQ(reading_order(forms, shape, 48), flat(shown(picture, forms))) << i;
    ++combinations;
  }
  EXPECT_EQ(combinations, 2304);
}

// The picture  0 1  as it is shown.
//              2 3
TEST(Augmentation, ShowsAPictureTurnedMirroredAndInPieces) {
  EXPECT_THAT(reading_order({}, kGrey, 4), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(reading_order(only(AugmentationKind::kRotation, 1), kGrey, 4),
              ElementsAre(2, 0, 3, 1));
  EXPECT_THAT(reading_order(only(AugmentationKind::kRotation, 3), kGrey, 4),
              ElementsAre(1, 3, 0, 2));
  EXPECT_THAT(reading_order(only(AugmentationKind::kTransposition, 1), kGrey, 4),
              ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(reading_order(only(AugmentationKind::kReversal, 1), kGrey, 4),
              ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(reading_order(only(AugmentationKind::kJigsaw, 3), kGrey, 4), ElementsAre(0, 2, 3, 1));
}

TEST(Augmentation, MovesTheColoursWithinEveryPixelAndKeepsThemInAReversal) {
  EXPECT_THAT(reading_order(only(AugmentationKind::kColours, 5), {1, 2, 3}, 6),
              ElementsAre(2, 1, 0, 5, 4, 3));
  EXPECT_THAT(reading_order(only(AugmentationKind::kReversal, 1), {1, 2, 3}, 6),
              ElementsAre(3, 4, 5, 0, 1, 2));
}

TEST(Augmentation, OfAStreamIsOnlyItsReversal) {
  EXPECT_THAT(reading_order(only(AugmentationKind::kReversal, 1), {}, 5),
              ElementsAre(4, 3, 2, 1, 0));
}

// As the release draws them: p^(1/K) for each of K kinds.
TEST(Augmentation, AShareOfTheSequencesIsShownAsItIs) {
  const AugmentationSettings settings = {.rotation = true, .jigsaw = true, .unaugmented = 0.36};
  constexpr int kDraws = 20000;
  int unchanged = 0;
  std::map<std::int64_t, int> rotations, quarters;
  for (int index = 0; index < kDraws; ++index) {
    const Augmentation forms = choose_augmentation(settings, 7, index);
    unchanged += forms == Augmentation{};
    ++rotations[forms[0]];
    ++quarters[forms[4]];
  }
  EXPECT_NEAR(unchanged, 0.36 * kDraws, 250);
  EXPECT_NEAR(rotations[0], 0.6 * kDraws, 250);
  for (std::int64_t form = 1; form < 4; ++form) {
    EXPECT_NEAR(rotations[form], 0.4 / 3 * kDraws, 200) << form;
  }
  ASSERT_EQ(quarters.size(), 24U);
  for (std::int64_t form = 1; form < 24; ++form) {
    EXPECT_NEAR(quarters[form], 0.4 / 23 * kDraws, 80) << form;
  }
  const AugmentationSettings never = {.rotation = true, .jigsaw = true, .unaugmented = 1.0};
  EXPECT_EQ(choose_augmentation(never, 7, 5), Augmentation{});
}

TEST(Augmentation, EveryFormIsDrawnAboutEquallyOftenAndOnlyOfTheKindsUsed) {
  const AugmentationSettings settings = {.rotation = true, .colours = true};
  std::map<std::int64_t, int> rotations, colours;
  constexpr int kDraws = 12000;
  for (int index = 0; index < kDraws; ++index) {
    const Augmentation augmentation = choose_augmentation(settings, 7, index);
    ++rotations[augmentation[0]];
    ++colours[augmentation[1]];
    ASSERT_EQ(augmentation[2] + augmentation[3] + augmentation[4], 0);
  }
  ASSERT_EQ(rotations.size(), 4U);
  ASSERT_EQ(colours.size(), 6U);
  for (const auto& [form, count] : rotations) EXPECT_NEAR(count, kDraws / 4, 250) << form;
  for (const auto& [form, count] : colours) EXPECT_NEAR(count, kDraws / 6, 250) << form;
  EXPECT_EQ(choose_augmentation(settings, 7, 5), choose_augmentation(settings, 7, 5));
}

// Every token keeps the embedding of its place in the original; the start vector tells the forms.
TEST(Augmentation, TheEmbeddingOfAShownPictureIsThatOfTheOriginalInAnotherOrder) {
  const AugmentationSettings settings = {.rotation = true, .colours = true, .reversal = true};
  const SequenceLayout layout = {.length = 27, .axes = {3, 3, 3}};
  ModelSettings model;
  model.width = 4;
  model.augmentation = settings;
  const Embedding embedding(model, layout);
  NamedTensors parameters;
  embedding.collect(parameters);
  at::manual_seed(1);
  std::map<std::string, at::Tensor> by_name;
  for (const NamedTensor& parameter : parameters) {
    by_name[parameter.name] = parameter.tensor.normal_();
  }
  ASSERT_EQ(by_name.size(), 8U);
  constexpr std::int64_t kBatch = 20;
  const at::Tensor tokens = at::randint(256, {kBatch, 27}, at::kByte);
  const AugmentedTokens augmented = augment(tokens, settings, layout.picture_shape(), 3, 100);
  const at::Tensor original = embedding.forward(tokens, 1);
  const at::Tensor shown = embedding.forward(augmented.tokens, 1, nullptr, &augmented.shown);
  for (std::int64_t i = 0; i < kBatch; ++i) {
    const Augmentation forms = choose_augmentation(settings, 3, 100 + i);
    at::Tensor start = by_name["embedding.start"];
    for (const AugmentationKind kind : used_kinds(settings)) {
      const std::int64_t form = forms[static_cast<std::size_t>(kind)];
      if (form > 0) start = start + by_name[augmentation_name(kind)][form - 1];
    }
    EXPECT_TRUE(at::allclose(shown[i][0], start));
    const std::vector<std::int64_t> order = reading_order(forms, layout.picture_shape(), 27);
    for (std::int64_t t = 0; t + 1 < 27; ++t) {
      const std::int64_t place = order[static_cast<std::size_t>(t)];
      EXPECT_EQ(augmented.tokens[i][t].item<int>(), tokens[i][place].item<int>());
      if (place == 26) continue;  // the original's last token is not read
      EXPECT_TRUE(at::equal(shown[i][t + 1], original[i][place + 1])) << i << ", " << t;
    }
  }
}

// In the order in which it is shown, no token is told to those before it, whatever the form.
TEST(Augmentation, NoTokenOfAShownPictureLeaks) {
  ModelSettings settings;
  settings.layers = 2;
  settings.width = 16;
  settings.heads = 2;
  settings.attention.layers = {{"local+column"}};
  settings.augmentation = {
      .rotation = true, .colours = true, .transposition = true, .reversal = true, .jigsaw = true};
  resolve(settings, 48, {4, 4, 3});
  const Transformer model(settings, sequence_layout(48, {4, 4, 3}, 12));
  at::manual_seed(1);
  for (const NamedTensor& parameter : model.parameters()) parameter.tensor.normal_(0.0, 0.4);
  convert_parameters(model, at::kDouble);
  constexpr std::int64_t kBatch = 8;  // each in another form
  const AugmentedTokens augmented =
      augment(at::randint(256, {kBatch, 48}, at::kByte), settings.augmentation, {4, 4, 3}, 3, 0);
  const at::Tensor before = model.forward(augmented.tokens, nullptr, &augmented.shown);
  for (const std::int64_t t : {0, 7, 30, 46}) {
    at::Tensor changed = augmented.tokens.clone();
    changed.select(1, t).add_(1);
    const at::Tensor after = model.forward(changed, nullptr, &augmented.shown);
    EXPECT_TRUE(at::equal(after.narrow(1, 0, t + 1), before.narrow(1, 0, t + 1))) << t;
    const at::Tensor next = (after - before).abs().select(1, t + 1).sum(-1);
    EXPECT_TRUE((next > 0).all().item<bool>()) << t;
  }
}

// The two ablations of Jun et al. 2020.
TEST(Augmentation, MayBeUntoldAndMayLeaveThePositions) {
  const SequenceLayout layout = {.length = 12, .axes = {2, 2, 3}};
  ModelSettings model;
  model.width = 4;
  model.augmentation = {.rotation = true, .told = false, .moves_positions = false};
  const Embedding embedding(model, layout);
  NamedTensors parameters;
  embedding.collect(parameters);
  for (const NamedTensor& parameter : parameters) {
    parameter.tensor.normal_();
    EXPECT_THAT(parameter.name, Not(HasSubstr("augmentation")));
  }
  const at::Tensor tokens = at::randint(256, {8, 12}, at::kByte);
  const AugmentedTokens augmented =
      augment(tokens, model.augmentation, layout.picture_shape(), 3, 0);
  EXPECT_FALSE(at::equal(augmented.tokens, tokens));
  EXPECT_TRUE(at::equal(embedding.forward(augmented.tokens, 1, nullptr, &augmented.shown),
                        embedding.forward(augmented.tokens, 1)));
}

TEST(Augmentation, IsRefusedWhereTheDataHaveNoSuchForm) {
  EXPECT_THAT(
      [] {
        check_augmentation({.rotation = true}, {2, 3, 1});
      },
      ThrowsMessage<SettingError>(HasSubstr("model.augmentation.rotation: is for square")));
  EXPECT_THAT(
      [] {
        check_augmentation({.colours = true}, {2, 2, 1});
      },
      ThrowsMessage<SettingError>(HasSubstr("three channels")));
  EXPECT_THAT([] { check_augmentation({.transposition = true}, {}); },
              ThrowsMessage<SettingError>(HasSubstr("square pictures")));
  EXPECT_THAT(
      [] {
        check_augmentation({.jigsaw = true}, {3, 4, 1});
      },
      ThrowsMessage<SettingError>(HasSubstr("even height and width")));
  check_augmentation({.jigsaw = true}, {2, 4, 1});
  check_augmentation({.reversal = true}, {});
  check_augmentation({.rotation = true, .colours = true, .transposition = true}, {4, 4, 3});
}

}  // namespace
}  // namespace sparse_transformer
