// Every reader survives the files of its corpus, and these cut, with bits flipped and with bytes
// doubled.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "files/mapped_file.h"
#include "tests/fuzz/targets.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;

std::vector<Bytes> corpus_of(const FuzzTarget& target) {
  std::vector<Bytes> corpus;
  for (const auto& entry :
       fs::directory_iterator(fs::path(SPARSE_TRANSFORMER_CORPUS) / target.name)) {
    const MappedFile file(entry.path());
    corpus.emplace_back(file.bytes().begin(), file.bytes().end());
  }
  return corpus;
}

class Replay : public testing::TestWithParam<FuzzTarget> {};

TEST_P(Replay, SurvivesItsCorpus) {
  const std::vector<Bytes> corpus = corpus_of(GetParam());
  EXPECT_FALSE(corpus.empty());
  for (const Bytes& bytes : corpus) feed(GetParam(), bytes);
  feed(GetParam(), {});
}

TEST_P(Replay, SurvivesDamage) {
  constexpr int kRounds = 40;
  std::mt19937 random(1);
  for (const Bytes& whole : corpus_of(GetParam())) {
    const auto place = [&](const Bytes& bytes) { return random() % (bytes.size() + 1); };
    for (int round = 0; round < kRounds; ++round) {
      Bytes cut = whole;
      cut.resize(place(whole));
      feed(GetParam(), cut);
      Bytes flipped = whole;
      for (int i = 0; i < 4 && !whole.empty(); ++i) {
        flipped[random() % whole.size()] ^= std::byte{1} << random() % 8;
      }
      feed(GetParam(), flipped);
      Bytes grown = whole;
      const std::size_t begin = place(whole);
      const std::size_t end = begin + random() % (whole.size() - begin + 1);
      grown.insert(grown.begin() + static_cast<std::ptrdiff_t>(place(whole)),
                   whole.begin() + static_cast<std::ptrdiff_t>(begin),
                   whole.begin() + static_cast<std::ptrdiff_t>(end));
      feed(GetParam(), grown);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Readers, Replay,
                         testing::ValuesIn(fuzz_targets().begin(), fuzz_targets().end()),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace sparse_transformer
