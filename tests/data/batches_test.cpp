#include "data/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "config/errors.h"
#include "data/mirror.h"
#include "data/token_sources.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<std::uint8_t> counting(std::int64_t size) {
  std::vector<std::uint8_t> tokens(static_cast<std::size_t>(size));
  std::iota(tokens.begin(), tokens.end(), std::uint8_t{0});
  return tokens;
}

DataSet data_of(std::int64_t size, std::int64_t item_size) {
  DataSet data;
  data.source = "bytes some/file";
  data.item_size = item_size;
  data.train = tokens_in_memory(counting(size));
  data.valid = tokens_in_memory({});
  data.test = tokens_in_memory({});
  return data;
}

std::vector<std::int64_t> epoch_offsets(const TrainingSequences& sequences, std::int64_t epoch) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i < sequences.per_epoch(); ++i) {
    offsets.push_back(sequences.offset(epoch * sequences.per_epoch() + i));
  }
  return offsets;
}

TEST(TrainingSequences, AnEpochOfItemsIsEveryItemOnceInAnotherOrder) {
  const TrainingSequences sequences(data_of(10 * 30, 10), 10, 1);
  EXPECT_EQ(sequences.per_epoch(), 30);
  std::set<std::vector<std::int64_t>> orders;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    std::vector<std::int64_t> offsets = epoch_offsets(sequences, epoch);
    orders.insert(offsets);
    std::sort(offsets.begin(), offsets.end());
    for (std::int64_t item = 0; item < 30; ++item) {
      EXPECT_EQ(offsets[static_cast<std::size_t>(item)], 10 * item);
    }
  }
  EXPECT_EQ(orders.size(), 5U);
}

TEST(TrainingSequences, AnEpochOfAStreamIsWindowsWithoutOverlapAtOneOffset) {
  for (const std::int64_t size : {16, 17, 31, 32, 33, 47, 48, 100, 1000, 1003}) {
    const TrainingSequences sequences(data_of(size, 0), 16, 1);
    EXPECT_EQ(sequences.per_epoch(), std::max<std::int64_t>(1, size / 16 - 1));
    std::set<std::int64_t> starts;
    for (std::int64_t epoch = 0; epoch < 50; ++epoch) {
      std::vector<std::int64_t> offsets = epoch_offsets(sequences, epoch);
      std::sort(offsets.begin(), offsets.end());
      starts.insert(offsets.front());
      EXPECT_GE(offsets.front(), 0);
      EXPECT_LT(offsets.front(), 16);
      EXPECT_LE(offsets.back() + 16, size) << size;
      for (std::size_t i = 1; i < offsets.size(); ++i) {
        EXPECT_EQ(offsets[i], offsets[i - 1] + 16);
      }
    }
    if (size >= 32) {
      EXPECT_GE(starts.size(), 13U);  // 50 draws of 16: fewer than 13 has a chance below 1e-3
    }
  }
}

TEST(TrainingSequences, AnotherSeedGivesAnotherOrderAndTheSameSeedTheSame) {
  const DataSet data = data_of(1000, 0);
  const TrainingSequences one(data, 10, 1);
  EXPECT_EQ(epoch_offsets(one, 3), epoch_offsets(TrainingSequences(data, 10, 1), 3));
  EXPECT_NE(epoch_offsets(one, 3), epoch_offsets(TrainingSequences(data, 10, 2), 3));
}

TEST(TrainingSequences, ReadsWhatTheOffsetsSayOverTheEndOfAnEpoch) {
  const TrainingSequences sequences(data_of(250, 0), 10, 5);
  const std::int64_t first = sequences.per_epoch() - 2;
  const std::vector<std::uint8_t> batch = sequences.read(first, 5);
  ASSERT_EQ(batch.size(), 50U);
  for (std::size_t i = 0; i < 50; ++i) {
    const std::int64_t start = sequences.offset(first + static_cast<std::int64_t>(i / 10));
    EXPECT_EQ(batch[i], start + static_cast<std::int64_t>(i % 10));
  }
}

TEST(TrainingSequences, RefusesASplitShorterThanASequence) {
  EXPECT_THAT([] { TrainingSequences(data_of(99, 0), 100, 1); },
              ThrowsMessage<UserError>(HasSubstr(
                  "bytes some/file: the training split has 99 tokens, too few for one sequence "
                  "of 100")));
  EXPECT_THAT([] { TrainingSequences(data_of(200, 50), 100, 1); },
              ThrowsMessage<UserError>(HasSubstr("items have 50 tokens")));
}

DataSet recordings_of(const std::vector<std::int64_t>& sizes, TokenFormat format) {
  DataSet data = data_of(std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}), 0);
  data.format = format;
  std::vector<std::int64_t> starts;
  std::int64_t end = 0;
  for (const std::int64_t size : sizes) {
    starts.push_back(end);
    end += size;
  }
  data.train = std::make_shared<PartedTokens>(data.train, starts);
  return data;
}

const TokenFormat kRecording = {
    .kind = TokenFormat::Kind::kSound, .shape = {}, .sample_rate = 8000};
const TokenFormat kTrio = {.kind = TokenFormat::Kind::kScore,
                           .shape = {},
                           .sample_rate = 0,
                           .voices = 3,
                           .steps_per_beat = 2};

TEST(TrainingSequences, NoneCrossesFromOneRecordingIntoTheNext) {
  const DataSet data = recordings_of({40, 16, 7, 100}, kRecording);
  const TrainingSequences sequences(data, 16, 1);
  EXPECT_EQ(sequences.per_epoch(), 1 + 1 + 1 + 5);
  std::set<std::int64_t> begun;
  for (std::int64_t epoch = 0; epoch < 50; ++epoch) {
    std::vector<std::int64_t> offsets = epoch_offsets(sequences, epoch);
    std::sort(offsets.begin(), offsets.end());
    EXPECT_LE(offsets[0] + 16, 40);
    EXPECT_EQ(offsets[1], 40);
    EXPECT_EQ(offsets[2], 56);
    EXPECT_GE(offsets[3], 63);
    EXPECT_LT(offsets[3], 63 + 16);
    EXPECT_EQ(offsets[7], offsets[3] + 4 * 16);
    begun.insert(offsets[0]);
    begun.insert(offsets[3]);
  }
  EXPECT_GT(begun.size(), 25U);  // of 16 + 16
}

TEST(TrainingSequences, AShortRecordingIsFilledUpWithSilence) {
  const TrainingSequences sequences(recordings_of({5}, kRecording), 8, 1);
  EXPECT_EQ(sequences.read(0, 1), (std::vector<std::uint8_t>{0, 1, 2, 3, 4, 0xFF, 0xFF, 0xFF}));
  const TrainingSequences scores(recordings_of({3}, kTrio), 6, 1);
  EXPECT_EQ(scores.read(0, 1), (std::vector<std::uint8_t>{0, 1, 2, kRest, kRest, kRest}));
}

TEST(TrainingSequences, OfScoresBeginWithABeat) {
  const DataSet data = recordings_of({30, 3, 300}, kTrio);
  const TrainingSequences sequences(data, 12, 1);
  std::set<std::int64_t> begun;
  for (std::int64_t g = 0; g < 500; ++g) {
    const std::int64_t offset = sequences.offset(g);
    EXPECT_EQ((offset < 30 ? offset : offset < 33 ? offset - 30 : offset - 33) % 6, 0);
    begun.insert(offset);
  }
  EXPECT_GT(begun.size(), 45U);  // of 2 + 1 + 48
  EXPECT_THAT([&] { TrainingSequences(data, 9, 1); },
              ThrowsMessage<UserError>(HasSubstr("multiple of the 6 of a beat")));
}

TEST(TrainingSequences, OfScoresAreTransposedByTheirNumber) {
  DataSet data = recordings_of({30, 60}, kTrio);
  const TrainingSequences plain(data, 12, 1);
  const TrainingSequences moved(data, 12, 1, {.transpose = 4, .mirror = false});
  std::set<int> distances;
  for (std::int64_t g = 0; g < 100; ++g) {
    const auto before = plain.read(g, 1), after = moved.read(g, 1);
    const int distance = after[0] - before[0];
    for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(after[i], before[i] + distance);
    EXPECT_LE(std::abs(distance), 4);
    distances.insert(distance);
  }
  EXPECT_EQ(distances.size(), 9U);
  const auto several = moved.read(3, 2), second = moved.read(4, 1);
  EXPECT_TRUE(std::equal(second.begin(), second.end(), several.begin() + 12));
}

TEST(TrainingSequences, OfPicturesAreMirroredByTheirNumber) {
  DataSet data = data_of(12 * 20, 12);
  data.format = {.kind = TokenFormat::Kind::kPicture, .shape = {2, 2, 3}};
  const TrainingSequences plain(data, 12, 1);
  const TrainingSequences mirrored(data, 12, 1, {.transpose = 0, .mirror = true});
  int count = 0;
  for (std::int64_t g = 0; g < 60; ++g) {
    std::vector<std::uint8_t> expected = plain.read(g, 1);
    if (is_mirrored(1, g)) mirror(expected, data.format.shape);
    EXPECT_EQ(mirrored.read(g, 1), expected);
    count += expected != plain.read(g, 1) ? 1 : 0;
  }
  EXPECT_GT(count, 15);
  EXPECT_LT(count, 45);
}

TEST(EvaluationWindows, OfRecordingsCountEveryTokenOnceWithinItsRecording) {
  const DataSet data = recordings_of({40, 16, 7, 100}, kRecording);
  for (const std::int64_t context : {0, 5, 15}) {
    std::int64_t scored = 0;
    for (const auto& window : evaluation_windows(*data.train, 0, 16, context)) {
      EXPECT_EQ(window.score_from, scored);
      const std::int64_t part = scored < 40 ? 0 : scored < 56 ? 40 : scored < 63 ? 56 : 63;
      const std::int64_t end = scored < 40 ? 40 : scored < 56 ? 56 : scored < 63 ? 63 : 163;
      EXPECT_GE(window.begin, part);
      EXPECT_LE(window.end, end);
      EXPECT_LE(window.end - window.begin, 16);
      EXPECT_GE(window.score_from - window.begin, std::min(context, scored - part));
      scored = window.end;
    }
    EXPECT_EQ(scored, 163);
  }
  EXPECT_EQ(evaluation_windows(*data.train, 0, 16, 0, 4).size(), 4U);
}

TEST(EvaluationWindows, CountEveryTokenOnceWithEnoughContext) {
  for (const std::int64_t size : {1, 5, 15, 16, 17, 31, 32, 33, 100, 257}) {
    const auto tokens = tokens_in_memory(counting(size));
    for (const std::int64_t n : {1, 2, 7, 16, 32}) {
      for (std::int64_t context = 0; context < n; ++context) {
        std::int64_t scored = 0;
        for (const auto& window : evaluation_windows(*tokens, 0, n, context)) {
          ASSERT_EQ(window.score_from, scored);
          ASSERT_LT(window.score_from, window.end);
          ASSERT_GE(window.begin, 0);
          ASSERT_LE(window.end - window.begin, n);
          if (window.score_from >= context) {
            ASSERT_GE(window.score_from - window.begin, window.begin == 0 ? 0 : context);
          }
          // From the second window on, the first token scored has exactly the context asked for.
          ASSERT_EQ(window.score_from - window.begin, scored == 0 ? 0 : context);
          scored = window.end;
        }
        ASSERT_EQ(scored, size) << "n " << n << " context " << context;
      }
    }
  }
}

TEST(EvaluationWindows, AdvanceBySequenceLessContext) {
  const auto windows = evaluation_windows(*tokens_in_memory(counting(100)), 0, 20, 15);
  ASSERT_EQ(windows.size(), 17U);
  EXPECT_EQ(windows[1].begin, 5);
  EXPECT_EQ(windows[1].score_from, 20);
  EXPECT_EQ(windows[1].end, 25);
  EXPECT_EQ(windows.back().end, 100);
}

TEST(EvaluationWindows, AreTheItemsWhereThereAreItems) {
  const auto tokens = tokens_in_memory(counting(60));
  const auto windows = evaluation_windows(*tokens, 20, 20, 0);
  ASSERT_EQ(windows.size(), 3U);
  EXPECT_EQ(windows[2].begin, 40);
  EXPECT_EQ(windows[2].score_from, 40);
  EXPECT_EQ(evaluation_windows(*tokens, 20, 20, 0, 2).size(), 2U);
  EXPECT_TRUE(evaluation_windows(*tokens_in_memory({}), 20, 20, 0).empty());
}

TEST(EvaluationWindows, RefuseAnImpossibleContext) {
  const auto tokens = tokens_in_memory(counting(60));
  EXPECT_THAT([&] { evaluation_windows(*tokens, 0, 20, 20); },
              ThrowsMessage<UserError>(HasSubstr("expected 0 to 19")));
  EXPECT_THROW(evaluation_windows(*tokens, 0, 20, -1), UserError);
  EXPECT_THROW(evaluation_windows(*tokens, 20, 20, 5), UserError);
  EXPECT_THROW(evaluation_windows(*tokens, 20, 10, 0), UserError);
}

}  // namespace
}  // namespace sparse_transformer
