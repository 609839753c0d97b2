#include "training/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RunFolder, StepsWithSamplesAreFoundInOrderAndSpread) {
  const TemporaryFolder folder;
  const RunFolder run(folder.path());
  EXPECT_THAT(run.sampled_steps(3), IsEmpty());
  std::filesystem::create_directory(folder.path() / "samples");
  for (const char* name : {"step-00000900.png", "step-00000900.mid", "step-00000100.png",
                           "step-00000300.txt", "training.png", "steps.png", "step-x.png"}) {
    folder.write_text(std::string("samples/") + name, "");
  }
  EXPECT_THAT(run.sampled_steps(3), ElementsAre(100, 300, 900));
  EXPECT_THAT(run.sampled_steps(2), ElementsAre(100, 900));
  for (int step = 1; step < 9; ++step) {
    folder.write_text(run.samples(100 * step, ".png").lexically_relative(folder.path()).string(),
                      "");
  }
  EXPECT_THAT(run.sampled_steps(3), ElementsAre(100, 500, 900));
}

}  // namespace
}  // namespace sparse_transformer
