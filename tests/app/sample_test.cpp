#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Sample : public TinyRuns {
 protected:
  Sample() { train("a"); }

  void sample(const std::string& line) const {
    const CommandResult result = run("sample a " + line);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, "");
  }
};

/// The same of a model of small pictures.
class SamplePictures : public Sample {
 protected:
  SamplePictures() {
    write("pictures.yaml",
          "data: {source: generated, shape: [8, 8, 1], generated: {items: 100}}\n"
          "model: {layers: 1, width: 16, heads: 2, attention: {stride: 8, layers: [local]}}\n"
          "training: {steps: 2, batch: 4, sample_every: 0}\n");
    EXPECT_EQ(run("train pictures.yaml --run pictures").exit_code, 0);
  }

  void sample_pictures(const std::string& line) const {
    const CommandResult result = run("sample pictures " + line);
    EXPECT_EQ(result.exit_code, 0) << result.err;
  }
};

TEST_F(Sample, TheSameSeedGivesTheSameBytes) {
  sample("--out one.txt");
  sample("--out again.txt");
  sample("--out other.txt --seed 2");
  EXPECT_EQ(read("one.txt").size(), 32U);
  EXPECT_EQ(read("again.txt"), read("one.txt"));
  EXPECT_NE(read("other.txt"), read("one.txt"));
}

TEST_F(Sample, ASampleDoesNotDependOnHowManyAreDrawn) {
  sample("--out four.txt --count 4");
  sample("--out two.txt --count 2 --batch 1");
  sample("--out one.txt");
  EXPECT_EQ(read("two-1.txt"), read("four-1.txt"));
  EXPECT_EQ(read("two-2.txt"), read("four-2.txt"));
  EXPECT_EQ(read("one.txt"), read("four-1.txt"));
  EXPECT_NE(read("four-1.txt"), read("four-2.txt"));
  EXPECT_TRUE(exists("four-4.txt"));
}

TEST_F(Sample, OverwritesOnlyWhenTold) {
  write("x.txt", "mine");
  expect_refused("sample a --out x.txt", {"x.txt exists already", "--overwrite"});
  EXPECT_EQ(read("x.txt"), "mine");
  sample("--out x.txt --overwrite");
  EXPECT_EQ(read("x.txt").size(), 32U);
  write("y-2.txt", "mine");
  expect_refused("sample a --out y.txt --count 2", {"y-2.txt exists already"});
  EXPECT_FALSE(exists("y-1.txt"));
}

TEST_F(Sample, ToStdoutIsTheBytesAlone) {
  sample("--out x.txt");
  const CommandResult result = run("sample a --out -");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, read("x.txt"));
}

TEST_F(Sample, BeginsWithThePrime) {
  write("prime.txt", "the sparse model");
  sample("--out x.txt --prime prime.txt");
  EXPECT_EQ(read("x.txt").size(), 32U);
  EXPECT_THAT(read("x.txt"), StartsWith("the sparse model"));
  sample("--out y.txt --prime prime.txt --prime-length 3 --length 10");
  EXPECT_EQ(read("y.txt").size(), 10U);
  EXPECT_THAT(read("y.txt"), StartsWith("the"));
}

TEST_F(Sample, RefusesWhatItCannotDraw) {
  write("long.txt", std::string(32, 'x'));
  write("empty.txt", "");
  const std::string sample = "sample a --out x.txt ";
  expect_refused("sample none --out x.txt", {"none: there is no such run or checkpoint"});
  expect_refused("sample a", {"--out"});
  expect_refused("sample a --out none/x.txt", {"none: there is no such folder"});
  expect_refused("sample a --out ''", {"--out: got '', expected a file's name"});
  expect_refused("sample a --out a/ --overwrite", {"--out: got 'a/', expected a file's name"});
  expect_refused("sample a --out a --overwrite", {"a is a folder, not a file"});
  expect_refused(sample + "--count 0", {"--count: 0 is not between 1 and 100000"});
  expect_refused(sample + "--count -1", {"--count: -1 is not between 1 and 100000"});
  expect_refused(sample + "--batch 0", {"--batch: 0"});
  expect_refused(sample + "--length 33", {"--length: 33"});
  expect_refused(sample + "--length -3", {"--length: -3"});
  expect_refused(sample + "--temperature -1", {"--temperature: -1"});
  expect_refused(sample + "--temperature nan", {"--temperature: got 'nan'"});
  expect_refused(sample + "--top-k 257", {"--top-k: 257"});
  expect_refused(sample + "--top-p 1.5", {"--top-p: 1.5"});
  expect_refused(sample + "--seed -1", {"--seed"});
  expect_refused(sample + "--prime none", {"none"});
  expect_refused(sample + "--prime empty.txt", {"empty.txt: empty"});
  expect_refused(sample + "--prime long.txt", {"long.txt", "--prime-length"});
  expect_refused(sample + "--prime long.txt --prime-length 33", {"--prime-length 33"});
  expect_refused(sample + "--prime long.txt --prime-length -3", {"--prime-length -3"});
  EXPECT_FALSE(exists("x.txt"));
}

TEST_F(Sample, TheNameSaysTheKindOfFile) {
  expect_refused("sample a --out x.png", {"x.png: ", "expected another ending than .png, .wav"});
  expect_refused("sample a --out x.WAV --count 2", {"x.WAV: "});
  sample("--out x.bin");
  sample("--out x");
}

// What can be known without the weights is refused before they are read: here they are damaged.
TEST_F(Sample, MistakesAreSaidBeforeTheWeightsAreRead) {
  write("long.txt", std::string(32, 'x'));
  for (const auto& entry : fs::directory_iterator(folder() / "a/checkpoints")) {
    if (!entry.is_symlink()) flip_a_bit(entry.path() / "model.safetensors", 0.5);
  }
  const std::string sample = "sample a --out x.txt ";
  expect_refused(sample, {"damaged checkpoint"});
  expect_refused("sample a --out x.png", {"x.png: "});
  expect_refused(sample + "--count 0", {"--count"});
  expect_refused(sample + "--temperature -1", {"--temperature"});
  expect_refused(sample + "--top-k 257", {"--top-k"});
  expect_refused(sample + "--top-p 2", {"--top-p"});
  expect_refused(sample + "--seed -1", {"--seed"});
  expect_refused(sample + "--length 33", {"--length"});
  expect_refused(sample + "--prime long.txt", {"--prime-length"});
}

TEST_F(Sample, SeveralTextsOnStdoutAreSeparated) {
  const std::string out = run("sample a --out - --count 2").out;
  EXPECT_THAT(out, StartsWith("---- sample 1 ----\n"));
  EXPECT_THAT(out, HasSubstr("\n---- sample 2 ----\n"));
  EXPECT_THAT(run("sample --help").out, HasSubstr("\"---- sample K ----\""));
}

TEST_F(Sample, AStopKeepsTheFinishedOnes) {
  RunningCommand command = start("sample a --out x.txt --count 100000 --batch 1");
  ASSERT_TRUE(command.wait_for_stderr("sample "));
  command.send(SIGTERM);
  const CommandResult result = command.finish();
  EXPECT_EQ(result.exit_code, 143) << result.err;
  EXPECT_THAT(result.err, HasSubstr("wrote "));
  EXPECT_EQ(read("x-1.txt").size(), 32U);
  EXPECT_EQ(read("x-2.txt").size(), 32U);
  EXPECT_FALSE(exists("x-100000.txt"));
  sample("--out y.txt --count 2");
  EXPECT_EQ(read("x-2.txt"), read("y-2.txt"));
}

TEST_F(SamplePictures, AreOneGridOrAFileEach) {
  sample_pictures("--out grid.png --count 4");
  EXPECT_THAT(read("grid.png"), StartsWith("\x89PNG"));
  EXPECT_THAT(read("grid.png"), HasSubstr("Seed: 1, Temperature: 1.00, Step: 2"));
  sample_pictures("--out four.png --count 4 --separate");
  sample_pictures("--out two.png --count 2 --separate");
  EXPECT_EQ(read("two-1.png"), read("four-1.png"));
  EXPECT_EQ(read("two-2.png"), read("four-2.png"));
  EXPECT_TRUE(exists("four-4.png"));
  EXPECT_EQ(run("sample pictures --out - --count 4").out, read("grid.png"));
}

TEST_F(SamplePictures, AreOnlyWrittenAsPng) {
  expect_refused("sample pictures --out x.jpg",
                 {"x.jpg: pictures are written as PNG, expected a name that ends in .png"});
  expect_refused("sample pictures --out x", {"x: pictures are written as PNG"});
  sample_pictures("--out x.PNG");
}

TEST_F(SamplePictures, CompleteHalfOfAnother) {
  sample_pictures("--out one.png --no-metadata");
  sample_pictures("--out half.png --prime one.png --no-metadata");
  sample_pictures(
      "--out whole.png --prime one.png --prime-length 15 --temperature 0 --no-metadata");
  sample_pictures(
      "--out again.png --prime whole.png --prime-length 15 --temperature 0 --no-metadata");
  EXPECT_EQ(read("again.png"), read("whole.png"));
  expect_refused("sample pictures --out x.png --prime data.bin", {"data.bin"});
}

/// Of a PNG, from its header (PNG specification, §11.2.2).
std::uint32_t png_width(const std::string& png) {
  std::uint32_t width = 0;
  for (std::size_t i = 16; i < 20; ++i) width = width << 8U | static_cast<std::uint8_t>(png.at(i));
  return width;
}

TEST_F(SamplePictures, SeveralCompletionsStandBetweenTheBeginningAndTheWhole) {
  sample_pictures("--out one.png");
  sample_pictures("--out grid.png --count 3");
  const std::uint32_t column = (png_width(read("grid.png")) + 2) / 2;  // of 2 × 2
  sample_pictures("--out row.png --prime one.png --count 3");
  EXPECT_EQ(png_width(read("row.png")), 5 * column - 2);
  sample_pictures("--out x.png --prime one.png --count 3 --separate");
  EXPECT_TRUE(exists("x-3.png"));
  EXPECT_FALSE(exists("x-4.png"));
}

}  // namespace
}  // namespace sparse_transformer
