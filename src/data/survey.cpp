#include "data/survey.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_set>
#include <vector>

#include "files/sha256.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kBlock = 1 << 20;

/// Where each item or part of a split ends, ascending.
std::vector<std::int64_t> item_ends(const DataSet& data, const Tokens& tokens) {
  std::vector<std::int64_t> ends;
  if (tokens.size() == 0) return ends;
  if (data.is_stream()) {
    ends = tokens.part_starts();
    ends.erase(ends.begin());
    ends.push_back(tokens.size());
    return ends;
  }
  for (std::int64_t end = data.item_size; end <= tokens.size(); end += data.item_size) {
    ends.push_back(end);
  }
  return ends;
}

class Surveyor {
 public:
  Surveyor(const DataSet& data, const DataProgress& progress)
      : data_(data),
        progress_(progress),
        total_(data.train->size() + data.valid->size() + data.test->size()) {}

  DataSurvey run() {
    DataSurvey result;
    for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
      SplitSurvey& found = result.splits.at(static_cast<std::size_t>(split));
      const Tokens& tokens = data_.split(split);
      found.tokens = tokens.size();
      std::int64_t begin = 0;
      for (const std::int64_t end : item_ends(data_, tokens)) {
        const std::uint64_t hash = read(tokens, begin, end, split == Split::kTrain);
        if (split == Split::kTrain) {
          trained_on_.insert(hash);
        } else if (trained_on_.contains(hash)) {
          ++found.repeated;
        }
        ++found.items;
        begin = end;
      }
    }
    result.entropy = entropy();
    return result;
  }

 private:
  /// The hash of the tokens [begin, end), which are counted where asked.
  std::uint64_t read(const Tokens& tokens, std::int64_t begin, std::int64_t end, bool count) {
    Sha256 hash;
    while (begin < end) {
      block_.resize(static_cast<std::size_t>(std::min(kBlock, end - begin)));
      tokens.read(begin, block_);
      hash.update(std::as_bytes(std::span(block_)));
      if (count) {
        for (const std::uint8_t token : block_) ++counts_[token];
      }
      begin += std::ssize(block_);
      done_ += std::ssize(block_);
      if (progress_) progress_(done_, total_);
    }
    return hash.number();
  }

  double entropy() const {
    double all = 0.0;
    for (const std::int64_t count : counts_) all += static_cast<double>(count);
    double bits = 0.0;
    for (const std::int64_t count : counts_) {
      const double share = static_cast<double>(count) / all;
      if (count > 0) bits -= share * std::log2(share);
    }
    return bits;
  }

  const DataSet& data_;
  const DataProgress& progress_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  std::array<std::int64_t, 256> counts_ = {};
  std::unordered_set<std::uint64_t> trained_on_;
  std::vector<std::uint8_t> block_;
};

}  // namespace

DataSurvey survey(const DataSet& data, const DataProgress& progress) {
  return Surveyor(data, progress).run();
}

}  // namespace sparse_transformer
