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

namespace sparse_transformer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

const std::vector<std::int64_t> kGrey = {2, 2, 1};

Augmentation only(AugmentationKind kind, std::int64_t form) {
  Augmentation augmentation{};
  augmentation[static_cast<std::size_t>(kind)] = form;
  return augmentation;
}

// The picture  0 1  as it is shown.
//              2 3
TEST(Augmentation, ShowsAPictureTurnedMirroredAndBackwards) {
  EXPECT_THAT(reading_order({}, kGrey, 4), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(reading_order(only(AugmentationKind::kRotation, 1), kGrey, 4),
              ElementsAre(1, 3, 0, 2));
  EXPECT_THAT(reading_order(only(AugmentationKind::kRotation, 2), kGrey, 4),
              ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(reading_order(only(AugmentationKind::kRotation, 3), kGrey, 4),
              ElementsAre(2, 0, 3, 1));
  EXPECT_THAT(reading_order(only(AugmentationKind::kTransposition, 1), kGrey, 4),
              ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(reading_order(only(AugmentationKind::kReversal, 1), kGrey, 4),
              ElementsAre(3, 2, 1, 0));
}

TEST(Augmentation, MovesTheColoursWithinEveryPixel) {
  EXPECT_THAT(reading_order(only(AugmentationKind::kColours, 5), {1, 2, 3}, 6),
              ElementsAre(2, 1, 0, 5, 4, 3));
}

TEST(Augmentation, OfAStreamIsOnlyItsReversal) {
  EXPECT_THAT(reading_order(only(AugmentationKind::kReversal, 1), {}, 5),
              ElementsAre(4, 3, 2, 1, 0));
}

TEST(Augmentation, EveryCombinationIsAPermutation) {
  std::set<std::vector<std::int64_t>> orders;
  std::vector<std::int64_t> all(27);
  std::iota(all.begin(), all.end(), 0);
  for (std::int64_t rotation = 0; rotation < 4; ++rotation) {
    for (std::int64_t colours = 0; colours < 6; ++colours) {
      for (std::int64_t transposition = 0; transposition < 2; ++transposition) {
        for (std::int64_t reversal = 0; reversal < 2; ++reversal) {
          auto order = reading_order({rotation, colours, transposition, reversal}, {3, 3, 3}, 27);
          orders.insert(order);
          std::sort(order.begin(), order.end());
          ASSERT_EQ(order, all);
        }
      }
    }
  }
  // Reversal turns the picture twice and its colours round: half of the combinations are the other
  // half again.
  EXPECT_EQ(orders.size(), 4U * 6U * 2U);
}

TEST(Augmentation, EveryFormIsDrawnAboutEquallyOftenAndOnlyOfTheKindsUsed) {
  const AugmentationSettings settings = {.rotation = true, .colours = true};
  std::map<std::int64_t, int> rotations, colours;
  constexpr int kDraws = 12000;
  for (int index = 0; index < kDraws; ++index) {
    const Augmentation augmentation = choose_augmentation(settings, 7, index);
    ++rotations[augmentation[0]];
    ++colours[augmentation[1]];
    ASSERT_EQ(augmentation[2] + augmentation[3], 0);
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
  check_augmentation({.reversal = true}, {});
  check_augmentation({.rotation = true, .colours = true, .transposition = true}, {4, 4, 3});
}

}  // namespace
}  // namespace sparse_transformer
