#include "training/curves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "config/errors.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Pixel = std::array<int, 3>;
constexpr Pixel kBlue{0, 114, 178};  // the first run's colour, the second's
constexpr Pixel kVermilion{213, 94, 0};

/// Where a colour is in the picture: how often, and its lowest and highest row below the legend.
struct Spot {
  std::int64_t count = 0, top = 1 << 20, bottom = -1, right = -1;
};

Spot find(const Image& image, Pixel colour, std::int64_t from_row) {
  Spot spot;
  for (std::int64_t y = from_row; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      const std::uint8_t* rgb = image.pixels.data() + (y * image.width + x) * 3;
      if (Pixel{rgb[0], rgb[1], rgb[2]} != colour) continue;
      ++spot.count;
      spot.top = std::min(spot.top, y);
      spot.bottom = std::max(spot.bottom, y);
      spot.right = std::max(spot.right, x);
    }
  }
  return spot;
}

constexpr std::int64_t kBelowTheLegend = 180;

TEST(Curves, RoundTicksAreMultiplesOfOneTwoOrFive) {
  EXPECT_THAT(round_ticks(0, 1000, 8), ElementsAre(0, 200, 400, 600, 800, 1000));
  EXPECT_THAT(round_ticks(0, 3, 8, 1), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(round_ticks(-0.3, 0.3, 3), ElementsAre(-0.2, 0.0, 0.2));
  for (const double low : {0.0, 2.7, 7.99}) {
    for (const double range : {0.01, 0.3, 5.0, 71234.0}) {
      const std::vector<double> ticks = round_ticks(low, low + range, 7);
      ASSERT_GE(ticks.size(), 2U) << low << ' ' << range;
      EXPECT_LE(ticks.size(), 9U);
      EXPECT_GE(ticks.front(), low - 1e-9);
      EXPECT_LE(ticks.back(), low + range + 1e-9);
    }
  }
}

TEST(Curves, EachRunHasItsColourAtTheHeightOfItsBits) {
  const std::vector<RunCurves> runs = {
      {.name = "a", .train = {}, .valid = {{50, 4.0}, {100, 3.0}}},
      {.name = "b", .train = {}, .valid = {{50, 6.0}, {200, 5.0}}},
  };
  const Image image = draw_curves(runs);
  const Spot a = find(image, kBlue, kBelowTheLegend);
  const Spot b = find(image, kVermilion, kBelowTheLegend);
  EXPECT_GT(a.count, 100);
  EXPECT_GT(b.count, 100);
  EXPECT_LT(b.bottom, a.top);         // more bits are higher up
  EXPECT_LT(a.right, b.right - 300);  // 100 steps more
}

TEST(Curves, TheFirstFallDoesNotFlattenTheRest) {
  RunCurves run{.name = "a", .train = {}, .valid = {{1, 8.0}}};
  for (std::int64_t step = 100; step <= 1000; step += 100) {
    run.valid.push_back({step, 3.0 + 0.5 / static_cast<double>(step)});
  }
  RunCurves without = run;
  without.valid.erase(without.valid.begin());
  const Spot lowest = find(draw_curves({run}), kBlue, kBelowTheLegend);
  EXPECT_EQ(lowest.bottom, find(draw_curves({without}), kBlue, kBelowTheLegend).bottom);
}

TEST(Curves, ASinglePointIsDrawn) {
  const Image image = draw_curves({{.name = "a", .train = {{0, 8.0}}, .valid = {{0, 8.0}}}});
  EXPECT_GT(find(image, kBlue, kBelowTheLegend).count, 10);
}

TEST(Curves, TheFiguresAreTheLastAndTheBest) {
  const auto rows = last_figures({{.name = "a",
                                   .train = {{1, 8.0}, {1500, 2.5}},
                                   .valid = {{500, 3.0}, {1000, 2.75}, {1400, 2.8}}},
                                  {.name = "b", .train = {{1, 8.0}}, .valid = {}}});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_THAT(rows[1], ElementsAre("a", "1,500", "2.5000", "2.8000", "2.7500 at step 1,000"));
  EXPECT_THAT(rows[2], ElementsAre("b", "1", "8.0000", "-", "-"));
}

class CurvesOfARun : public testing::Test {
 protected:
  CurvesOfARun() { folder_.write_text("run/config.yaml", ""); }

  RunCurves read(const std::string& metrics) {
    folder_.write_text("run/metrics.jsonl", metrics);
    return read_curves(folder_ / "run/");
  }

  void expect_refused(const std::string& metrics, const std::string& says) {
    try {
      read(metrics);
      FAIL() << "not refused: " << metrics;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(says));
    }
  }

  TemporaryFolder folder_;
};

TEST_F(CurvesOfARun, AreReadLineByLine) {
  const RunCurves curves = read(
      "{\"step\":20,\"train_bits\":7.5,\"learning_rate\":0.1}\n{\"step\":20,\"valid_bits\":7.25}\n"
      "{\"step\":40,\"train_bits\":null}\n{\"step\":40,\"valid_bits\":7");  // being written
  EXPECT_EQ(curves.name, (folder_ / "run").string());
  ASSERT_EQ(curves.train.size(), 1U);
  ASSERT_EQ(curves.valid.size(), 1U);
  EXPECT_EQ(curves.train[0].step, 20);
  EXPECT_EQ(curves.valid[0].bits, 7.25);
  EXPECT_EQ(curves.last_step(), 20);
}

TEST_F(CurvesOfARun, AreMissedByName) {
  EXPECT_THROW(read_curves(folder_ / "run"), UserError);
  EXPECT_THROW(read_curves(folder_ / "none"), UserError);
  expect_refused("", "run/metrics.jsonl: no figures yet");
  expect_refused("{\"step\":20", "run/metrics.jsonl: no figures yet");
  expect_refused("{\"step\":20}\nnothing\n", "run/metrics.jsonl:2: expected an object");
  expect_refused("{\"bits\":2}\n", "run/metrics.jsonl:1: expected an object with \"step\"");
}

}  // namespace
}  // namespace sparse_transformer
