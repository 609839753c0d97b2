#include "training/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "files/atomic_file.h"
#include "tests/files/file_size_limit.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;

TrainingProgress after(std::int64_t step, std::int64_t evaluated = 0, std::int64_t unlogged = 0) {
  TrainingProgress progress;
  progress.step = step;
  progress.evaluated = evaluated;
  progress.unlogged.steps = unlogged;
  return progress;
}

class Metrics : public testing::Test {
 protected:
  std::string lines() const { return read_file(folder_ / "metrics.jsonl"); }

  /// The lines that are left when a run in this state continues.
  std::string left(const std::string& text, const TrainingProgress& progress) const {
    folder_.write_text("metrics.jsonl", text);
    const MetricsLog log(folder_.path(), progress);
    return lines();
  }

  TemporaryFolder folder_;
};

TEST_F(Metrics, LinesOfLaterStepsAndHalfLinesAreCutOff) {
  const std::string kept = "{\"step\":2,\"train_bits\":1.0}\n{\"step\":4,\"valid_bits\":1.0}\n";
  EXPECT_EQ(left(kept + "{\"step\":6,\"train_bits\":1.0}\n{\"st", after(5)), kept);
  EXPECT_EQ(left(kept, after(5)), kept);
}

// A checkpoint may lie between a step and its evaluation, or its line.
TEST_F(Metrics, OfTheStepItselfStaysWhatTheStateHasDone) {
  const std::string trained = "{\"step\":4,\"train_bits\":1.0}\n";
  const std::string evaluated = "{\"step\":4,\"valid_bits\":1.0}\n";
  EXPECT_EQ(left(trained + evaluated, after(4, 4)), trained + evaluated);
  EXPECT_EQ(left(trained + evaluated, after(4, 2)), trained);
  EXPECT_EQ(left(trained + evaluated, after(4, 4, 2)), evaluated);
}

TEST_F(Metrics, ALineThatCannotBeWrittenIsLostAndTheNextOneIsWhole) {
  MetricsLog log(folder_.path(), after(0));
  // Long enough that the limit leaves room for what is captured of stderr.
  for (int step = 1; step <= 100; ++step) log.add(step, {{"train_bits", 1.0}});
  const std::string first = lines();
  testing::internal::CaptureStderr();
  {
    const FileSizeLimit limit(first.size() + 10);
    log.add(101, {{"train_bits", 1.0}});
    log.add(102, {{"train_bits", 1.0}});
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("metrics.jsonl"));
  EXPECT_THAT(said, HasSubstr("figures are lost until it can be written again"));
  EXPECT_EQ(said.find("metrics.jsonl"), said.rfind("metrics.jsonl")) << said;
  log.add(103, {{"train_bits", 2.0}});
  EXPECT_EQ(lines(), first + "{\"step\":103,\"train_bits\":2.0}\n");
}

TEST_F(Metrics, ReadersPassOverALastHalfLine) {
  folder_.write_text("metrics.jsonl", "{\"step\":2,\"train_bits\":1.0}\n{\"step\":4,");
  EXPECT_EQ(read_metrics(folder_ / "metrics.jsonl").size(), 1U);
}

}  // namespace
}  // namespace sparse_transformer
