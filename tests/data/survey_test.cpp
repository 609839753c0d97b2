#include "data/survey.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "data/token_sources.h"

namespace sparse_transformer {
namespace {

DataSet data_of(std::int64_t item_size, std::vector<std::uint8_t> train,
                std::vector<std::uint8_t> valid, std::vector<std::uint8_t> test) {
  DataSet data;
  data.item_size = item_size;
  data.train = tokens_in_memory(std::move(train));
  data.valid = tokens_in_memory(std::move(valid));
  data.test = tokens_in_memory(std::move(test));
  return data;
}

TEST(Survey, CountsItemsAndThoseThatTrainingHasToo) {
  std::int64_t last = 0;
  const DataSurvey found = survey(data_of(2, {1, 2, 3, 4, 1, 2}, {3, 4, 5, 6, 3, 4}, {2, 1}),
                                  [&last](std::int64_t done, std::int64_t total) {
                                    EXPECT_GT(done, last);
                                    EXPECT_EQ(total, 14);
                                    last = done;
                                  });
  EXPECT_EQ(last, 14);
  EXPECT_EQ(found.splits[0].items, 3);
  EXPECT_EQ(found.splits[1].items, 3);
  EXPECT_EQ(found.splits[1].repeated, 2);
  EXPECT_EQ(found.splits[2].items, 1);
  EXPECT_EQ(found.splits[2].repeated, 0);
  EXPECT_EQ(found.splits[2].tokens, 2);
}

TEST(Survey, EntropyIsOfTheTrainingTokens) {
  EXPECT_DOUBLE_EQ(survey(data_of(0, {7, 7, 7, 7}, {1, 2}, {}), {}).entropy, 0.0);
  EXPECT_DOUBLE_EQ(survey(data_of(0, {0, 255, 0, 255}, {}, {}), {}).entropy, 1.0);
  EXPECT_DOUBLE_EQ(survey(data_of(0, {0, 1, 2, 2}, {}, {}), {}).entropy, 1.5);
}

TEST(Survey, ARecordingIsAnItemAndAnEmptySplitHasNone) {
  DataSet data = data_of(0, {1, 2, 3, 4, 5}, {4, 5}, {});
  data.train = std::make_shared<PartedTokens>(data.train, std::vector<std::int64_t>{0, 3});
  const DataSurvey found = survey(data, {});
  EXPECT_EQ(found.splits[0].items, 2);
  EXPECT_EQ(found.splits[1].items, 1);
  EXPECT_EQ(found.splits[1].repeated, 1);
  EXPECT_EQ(found.splits[2].items, 0);
}

TEST(Survey, EndsWhenTheProgressThrows) {
  EXPECT_THROW(survey(data_of(0, {1}, {}, {}),
                      [](std::int64_t, std::int64_t) { throw std::runtime_error("stop"); }),
               std::runtime_error);
}

}  // namespace
}  // namespace sparse_transformer
