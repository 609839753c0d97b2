#include "data/token_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "config/words.h"
#include "data/token_sources.h"

namespace sparse_transformer {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes read(const Tokens& tokens, std::int64_t offset, std::int64_t count) {
  Bytes out(static_cast<std::size_t>(count));
  tokens.read(offset, out);
  return out;
}

std::shared_ptr<const ConcatenatedTokens> three_pieces() {
  auto owner = std::make_shared<const std::vector<Bytes>>(
      std::vector<Bytes>{{0, 1, 2}, {}, {3}, {4, 5, 6, 7}});
  std::vector<TokenPiece> pieces;
  for (const Bytes& piece : *owner) {
    pieces.push_back({.bytes = std::as_bytes(std::span(piece))});
  }
  return std::make_shared<const ConcatenatedTokens>(pieces, owner);
}

TEST(ConcatenatedTokens, ReadsAndSlicesAnyRange) {
  const auto tokens = three_pieces();
  ASSERT_EQ(tokens->size(), 8);
  for (std::uint8_t begin = 0; begin <= 8; ++begin) {
    for (std::uint8_t end = begin; end <= 8; ++end) {
      Bytes expected(static_cast<std::size_t>(end - begin));
      std::iota(expected.begin(), expected.end(), begin);
      EXPECT_EQ(read(*tokens, begin, end - begin), expected);
      const auto slice = tokens->slice(begin, end);
      ASSERT_EQ(slice->size(), end - begin);
      EXPECT_EQ(read(*slice, 0, slice->size()), expected);
    }
  }
}

TEST(ConcatenatedTokens, RefusesToLeaveItsTokens) {
  const auto tokens = three_pieces();
  EXPECT_THROW(read(*tokens, 5, 4), std::logic_error);
  EXPECT_THROW(read(*tokens, -1, 1), std::logic_error);
  EXPECT_THROW(tokens->slice(3, 9), std::logic_error);
  EXPECT_THROW(tokens->slice(3, 2), std::logic_error);
}

/// Item i is [10·i, 10·i + 1, 10·i + 2].
class Tens : public ItemTokens {
 public:
  Tens() : ItemTokens(4, 3) {}

 private:
  void read_item(std::int64_t index, std::span<std::uint8_t> item) const override {
    std::iota(item.begin(), item.end(), static_cast<std::uint8_t>(10 * index));
  }
};

TEST(ItemTokens, ReadsAcrossItems) {
  const Tens tokens;
  EXPECT_EQ(tokens.size(), 12);
  EXPECT_EQ(read(tokens, 0, 3), (Bytes{0, 1, 2}));
  EXPECT_EQ(read(tokens, 1, 9), (Bytes{1, 2, 10, 11, 12, 20, 21, 22, 30}));
  EXPECT_EQ(read(tokens, 7, 1), (Bytes{21}));
  EXPECT_EQ(read(tokens, 12, 0), Bytes{});
  EXPECT_THROW(read(tokens, 11, 2), std::logic_error);
}

DataSet data_of(const Bytes& train, const Bytes& valid, const Bytes& test) {
  DataSet data;
  data.train = tokens_in_memory(train);
  data.valid = tokens_in_memory(valid);
  data.test = tokens_in_memory(test);
  return data;
}

TEST(DataSet, ContentHashTellsContentAndBordersOfSplits) {
  const std::string hash = data_of({1, 2, 3}, {4}, {5}).content_hash();
  EXPECT_EQ(hash.size(), 64U);
  EXPECT_EQ(data_of({1, 2, 3}, {4}, {5}).content_hash(), hash);
  EXPECT_NE(data_of({1, 2, 9}, {4}, {5}).content_hash(), hash);
  EXPECT_NE(data_of({1, 2}, {3, 4}, {5}).content_hash(), hash);
  EXPECT_NE(data_of({1, 2, 3}, {4}, {}).content_hash(), hash);
}

// SHA-256 of "0 3 1 1" and the bytes 1 2 3 4 5, as version 0.1.0 wrote it into checkpoints.
TEST(DataSet, ContentHashStaysWhatCheckpointsName) {
  const DataSet data = data_of({1, 2, 3}, {4}, {5});
  EXPECT_EQ(data.content_hash(),
            "d95d5773137e8139069e11285340ac812ce4e246ff0e42a49615e5d30b0a1481");
  EXPECT_EQ(data.sampled_content_hash(), std::nullopt);
}

TEST(DataSet, ContentHashTellsItsProgress) {
  std::int64_t last = -1;
  data_of({1, 2, 3}, {4}, {5}).content_hash([&](std::int64_t done, std::int64_t total) {
    EXPECT_LT(last, done);
    EXPECT_LE(done, total);
    EXPECT_EQ(total, 5);
    last = done;
  });
  EXPECT_EQ(last, 4);
}

/// Zeros, and a one at some place.
class OneOne : public Tokens {
 public:
  OneOne(std::int64_t size, std::int64_t place) : size_(size), place_(place) {}
  std::int64_t size() const override { return size_; }
  void read(std::int64_t offset, std::span<std::uint8_t> out) const override {
    std::fill(out.begin(), out.end(), 0);
    if (place_ >= offset && place_ < offset + std::ssize(out)) {
      out[static_cast<std::size_t>(place_ - offset)] = 1;
    }
  }

 private:
  std::int64_t size_, place_;
};

// Of 2 GiB version 0.1.0 read every second MiB.
TEST(DataSet, ContentHashCoversAllOfLargeData) {
  constexpr std::int64_t kSize = std::int64_t{1} << 31;
  const auto with_one_at = [kSize](std::int64_t place) {
    DataSet data = data_of({}, {4}, {5});
    data.train = std::make_shared<OneOne>(kSize, place);
    return data;
  };
  const DataSet first = with_one_at(1'500'000);
  const DataSet second = with_one_at(1'500'001);
  const std::string hash = first.content_hash();
  EXPECT_NE(hash, second.content_hash());
  ASSERT_TRUE(first.sampled_content_hash());
  EXPECT_NE(first.sampled_content_hash(), hash);
  EXPECT_EQ(first.sampled_content_hash(), second.sampled_content_hash());
}

TEST(DataSet, LargeGeneratedDataAreSampled) {
  DataSet data = data_of({}, {}, {});
  data.train = std::make_shared<OneOne>(std::int64_t{1} << 31, 0);
  data.is_generated = true;
  EXPECT_EQ(data.content_hash(), data.sampled_content_hash());
}

TEST(DataSet, HashingLargeDataCanBeStopped) {
  DataSet data = data_of({}, {}, {});
  data.train = std::make_shared<OneOne>(std::int64_t{1} << 40, 0);
  const auto stop = [](std::int64_t done, std::int64_t) {
    if (done > 0) throw Interrupted(2);
  };
  EXPECT_THROW(data.content_hash(stop), Interrupted);
  EXPECT_THROW(data.sampled_content_hash(stop), Interrupted);
}

TEST(DataSet, NamesItsSplits) {
  const DataSet data = data_of({1}, {2}, {3});
  EXPECT_EQ(word_of(kSplitWords, Split::kTrain), "train");
  EXPECT_EQ(word_of(kSplitWords, Split::kTest), "test");
  EXPECT_EQ(read(data.split(Split::kValid), 0, 1), Bytes{2});
}

TEST(DataSet, OtherPartsAreOtherContent) {
  const auto hash_of = [](std::vector<std::int64_t> starts) {
    DataSet data;
    data.train = std::make_shared<PartedTokens>(three_pieces(), std::move(starts));
    data.valid = data.test = tokens_in_memory({});
    return data.content_hash();
  };
  EXPECT_EQ(hash_of({0, 3}), hash_of({0, 3}));
  EXPECT_NE(hash_of({0, 3}), hash_of({0, 4}));
  EXPECT_NE(hash_of({0, 3}), hash_of({0}));
}

}  // namespace
}  // namespace sparse_transformer
