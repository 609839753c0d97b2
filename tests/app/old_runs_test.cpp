// Runs that an earlier version of the program left (old_runs/README.md) can be used as before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::StartsWith;

constexpr const char* kOldRuns = SPARSE_TRANSFORMER_OLD_RUNS;

struct OldRun {
  std::string name;
  std::string data;         // beside the run; empty where the program makes it
  std::string sample;       // a file of the kind that samples have
  double tolerance = 1e-4;  // bits; other processors add in another order
};

void PrintTo(const OldRun& run, std::ostream* out) { *out << run.name; }

class OldRuns : public TinyRuns, public testing::WithParamInterface<OldRun> {
 protected:
  OldRuns() { fs::copy(fs::path(kOldRuns) / GetParam().name, folder(), kWhole); }

  CommandResult succeed(const std::string& line) const {
    CommandResult result = run(line);
    EXPECT_EQ(result.exit_code, 0) << line << "\n" << result.err;
    return result;
  }

  std::string with_data() const {
    return GetParam().data.empty() ? "" : " --set data.path=" + GetParam().data;
  }

  void expect_bits(const std::string& model, const char* key) const {
    const double expected = nlohmann::json::parse(read("bits.json")).at(key).get<double>();
    const CommandResult result = succeed("evaluate " + model + " --json" + with_data());
    const auto json = nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(json.is_object()) << result.out;
    EXPECT_NEAR(json.at("bits").get<double>(), expected, GetParam().tolerance) << model;
  }

 private:
  static constexpr auto kWhole = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
};

TEST_P(OldRuns, AreEvaluated) { expect_bits("run", "saved"); }

TEST_P(OldRuns, AreResumed) {
  succeed("train --run run --resume --set training.steps=8" + with_data());
  EXPECT_TRUE(exists(checkpoint_of("run", 8)));
  expect_bits("run/checkpoints/latest", "resumed");
}

TEST_P(OldRuns, AreSampledAndDrawn) {
  const std::string file = GetParam().sample;
  succeed("sample run --out " + file);
  EXPECT_TRUE(exists(file));
  succeed("report run --out report.html");
  EXPECT_THAT(read("report.html"), StartsWith("<!DOCTYPE html>"));
  succeed("curves run --out curves.png");
  EXPECT_THAT(read("curves.png"), StartsWith("\x89PNG"));
}

constexpr double kHalf = 1e-2;  // bits that half precision may differ by on another processor

INSTANTIATE_TEST_SUITE_P(
    Of6a0b655, OldRuns,
    testing::Values(
        OldRun{"text", "text.txt", "x.txt"}, OldRun{"text-bf16", "text.txt", "x.txt", kHalf},
        OldRun{"text-fp16", "text.txt", "x.txt", kHalf}, OldRun{"pictures", "pictures", "x.png"},
        OldRun{"raw-pictures", "pixels.bin", "x.png"}, OldRun{"numpy", "pictures.npy", "x.png"},
        OldRun{"cifar10", "batches", "x.png"}, OldRun{"sound", "sounds", "x.wav"},
        OldRun{"scores", "scores", "x.mid"}, OldRun{"generated-pictures", "", "x.png"},
        OldRun{"generated-tunes", "", "x.wav"}, OldRun{"packed", "pictures.safetensors", "x.png"}),
    [](const auto& each) {
      std::string name = each.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

}  // namespace
}  // namespace sparse_transformer
