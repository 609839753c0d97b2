#include "data/decoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "config/errors.h"
#include "tests/data/all_tokens.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

Bytes bytes(const std::string& text) { return {text.begin(), text.end()}; }

/// The bytes of a file, two at a time, each raised by one; a file that begins with '!' is damaged,
/// which is only noticed at its end.
std::vector<std::string> decode(const InputFile& file, const TokenSink& sink) {
  Bytes piece;
  for (const std::byte byte : file.bytes) {
    piece.push_back(static_cast<std::uint8_t>(std::to_integer<int>(byte) + 1));
    if (piece.size() == 2) {
      sink(piece);
      piece.clear();
    }
  }
  sink(piece);
  if (!file.bytes.empty() && file.bytes[0] == std::byte{'!'}) {
    throw UserError(file.name + ": damaged");
  }
  return {};
}

std::vector<std::string> decoded_texts(const DecodedFiles& decoded) {
  std::vector<std::string> texts;
  for (const TokenPiece& piece : decoded.tokens) {
    texts.emplace_back(reinterpret_cast<const char*>(piece.bytes.data()), piece.bytes.size());
  }
  return texts;
}

class DecodingTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_.path() / name).parent_path());
    folder_.write(name, bytes(text));
  }
  std::vector<std::string> paths() const { return {folder_.path().string()}; }
  DecodedFiles decoded(DamagedFiles policy) const {
    return decode_files(paths(), decode, policy, {});
  }
  DataSettings settings() const {
    DataSettings settings;
    settings.path = paths();
    return settings;
  }

  TemporaryFolder folder_;
};

TEST_F(DecodingTest, KeepsTheOrderOfTheFilesWhoeverIsFirstDone) {
  std::vector<std::string> expected;
  for (int i = 100; i < 400; ++i) {
    const std::string text(static_cast<std::size_t>(1 + (i * 7919) % 4000),
                           static_cast<char>('a' + i % 20));
    write("f" + std::to_string(i), text);
    expected.emplace_back(text.size(), static_cast<char>(text[0] + 1));
  }
  EXPECT_EQ(decoded_texts(decoded(DamagedFiles::kStop)), expected);
}

TEST_F(DecodingTest, SkipsWhatIsDamagedAndSaysWhy) {
  write("a", "one");
  write("b", "!damaged");
  write("c/d", "two");
  write("e", "");
  fs::create_symlink("nowhere", folder_.path() / "f");
  fs::create_symlink("g", folder_.path() / "g");
  fs::create_directory_symlink(".", folder_.path() / "h");  // a loop of folders: not followed
  write("i", "three");
  const DecodedFiles found = decoded(DamagedFiles::kSkip);
  EXPECT_THAT(decoded_texts(found), ElementsAre("pof", "uxp", "uisff"));
  ASSERT_THAT(found.skipped, SizeIs(4));
  EXPECT_THAT(found.skipped[0].reason, HasSubstr("b: damaged"));
  EXPECT_THAT(found.skipped[1].reason, HasSubstr("e: empty"));
  EXPECT_THAT(found.skipped[2].reason, HasSubstr("/f: "));
  EXPECT_THAT(found.skipped[3].reason, HasSubstr("/g: "));
  EXPECT_EQ(found.skipped[3].name, (folder_.path() / "g").string());
}

TEST_F(DecodingTest, StopsAtWhatIsDamagedWhereAsked) {
  write("a", "one");
  write("b", "!damaged");
  EXPECT_THAT([&] { decoded(DamagedFiles::kStop); },
              ThrowsMessage<UserError>(HasSubstr("b: damaged")));
}

TEST_F(DecodingTest, RefusesFilesOfWhichNoneCanBeDecoded) {
  write("a", "!");
  EXPECT_THAT([&] { decoded(DamagedFiles::kSkip); },
              ThrowsMessage<UserError>(HasSubstr("a: damaged")));
  write("b", "!");
  EXPECT_THAT([&] { decoded(DamagedFiles::kSkip); },
              ThrowsMessage<UserError>(HasSubstr("a: damaged (and none of the others can)")));
}

TEST_F(DecodingTest, AFileThatGrowsBeyondMeasureIsDamaged) {
  write("a", "endless");
  write("b", "fine");
  const auto grow = [](const InputFile& file, const TokenSink& sink) -> std::vector<std::string> {
    const Bytes piece(1 << 20, 'x');
    const int pieces = file.bytes.size() == 7 ? 257 : 256;  // MiB
    for (int i = 0; i < pieces; ++i) sink(piece);
    return {};
  };
  const DecodedFiles decoded = decode_files(paths(), grow, DamagedFiles::kSkip, {});
  ASSERT_THAT(decoded.tokens, SizeIs(1));
  EXPECT_EQ(decoded.tokens[0].bytes.size(), std::size_t{256} << 20);
  ASSERT_THAT(decoded.skipped, SizeIs(1));
  EXPECT_THAT(decoded.skipped[0].reason, HasSubstr("a: its 7 bytes become more than 268435456"));
}

TEST_F(DecodingTest, AProgrammersErrorIsNoDamagedFile) {
  write("a", "one");
  const auto broken = [](const InputFile&, const TokenSink&) -> std::vector<std::string> {
    throw std::logic_error("a bug");
  };
  EXPECT_THROW(decode_files(paths(), broken, DamagedFiles::kSkip, {}), std::logic_error);
}

TEST_F(DecodingTest, EndsWhenTheProgressThrows) {
  for (int i = 0; i < 50; ++i) write("f" + std::to_string(i), "text");
  const auto stop = [](std::int64_t, std::int64_t) { throw Interrupted(2); };
  EXPECT_THROW(decode_files(paths(), decode, DamagedFiles::kSkip, stop), Interrupted);
}

// A recording of hours is one file.
TEST_F(DecodingTest, EndsWithinAFileWhenTheProgressThrows) {
  write("f", "text");
  const Decode endless = [](const InputFile&, const TokenSink& sink) -> std::vector<std::string> {
    for (;;) {
      sink(bytes("x"));
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  };
  std::int64_t calls = 0;
  const auto stop = [&calls](std::int64_t, std::int64_t) {
    if (++calls > 5) throw Interrupted(2);
  };
  EXPECT_THROW(decode_files(paths(), endless, DamagedFiles::kSkip, stop), Interrupted);
}

TEST_F(DecodingTest, FilesAreItemsOrPartsInTheirOrder) {
  write("a", "one");
  write("b", "three");
  write("c", "seven");
  DataSettings asked = settings();
  asked.split.valid = 0.0;
  asked.split.test = 0.0;
  const DataSet stream = open_decoded(asked, {}, decode, {});
  EXPECT_THAT(stream.train->part_starts(), ElementsAre(0, 3, 8));
  EXPECT_EQ(all_tokens(*stream.train), bytes("pofuisfftfwfo"));
  DataSet items;
  items.item_size = 5;
  EXPECT_THAT(open_decoded(asked, items, decode, {}).train->part_starts(), ElementsAre(0));
}

TEST_F(DecodingTest, MoreFilesMoveNoneOfTheOthersToAnotherSplit) {
  for (int i = 0; i < 200; ++i) write("f" + std::to_string(i), "text " + std::to_string(i * i));
  DataSettings asked = settings();
  asked.split.valid = 0.2;
  asked.split.test = 0.1;
  const auto texts = [&](Split split) {
    const DataSet data = open_decoded(asked, {}, decode, {});
    const Bytes all = all_tokens(data.split(split));
    std::vector<std::string> found;
    std::vector<std::int64_t> starts = data.split(split).part_starts();
    starts.push_back(std::ssize(all));
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
      found.emplace_back(all.begin() + starts[i], all.begin() + starts[i + 1]);
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  const auto valid = texts(Split::kValid);
  const auto test = texts(Split::kTest);
  EXPECT_NEAR(std::ssize(valid), 40, 20);  // binomial: a deviation of 20 is 3.5 sigma
  EXPECT_NEAR(std::ssize(test), 20, 15);
  EXPECT_EQ(std::ssize(texts(Split::kTrain)) + std::ssize(valid) + std::ssize(test), 200);
  for (int i = 0; i < 200; ++i) write("another" + std::to_string(i), "other " + std::to_string(i));
  const auto more_valid = texts(Split::kValid);
  const auto more_test = texts(Split::kTest);
  EXPECT_THAT(more_valid, testing::IsSupersetOf(valid));
  EXPECT_THAT(more_test, testing::IsSupersetOf(test));
  EXPECT_GT(more_valid.size(), valid.size());
  asked.split.seed = 1;
  EXPECT_NE(texts(Split::kValid), more_valid);
}

TEST_F(DecodingTest, CountsAndPathsOfSplits) {
  for (int i = 0; i < 20; ++i) write("all/f" + std::to_string(i), "text " + std::to_string(i));
  write("own/a", "one");
  write("own/b", "!damaged");
  DataSettings asked;
  asked.path = {(folder_.path() / "all").string()};
  asked.split.valid = 3.0;
  asked.split.test = std::vector<std::string>{(folder_.path() / "own").string()};
  const DataSet data = open_decoded(asked, {}, decode, {});
  EXPECT_THAT(data.train->part_starts(), SizeIs(17));
  EXPECT_THAT(data.valid->part_starts(), SizeIs(3));
  EXPECT_EQ(all_tokens(*data.test), bytes("pof"));
  EXPECT_THAT(data.skipped, SizeIs(1));
  asked.split.valid = 21.0;
  EXPECT_THAT([&] { open_decoded(asked, {}, decode, {}); },
              ThrowsMessage<UserError>(HasSubstr("but there are only 20")));
}

}  // namespace
}  // namespace sparse_transformer
