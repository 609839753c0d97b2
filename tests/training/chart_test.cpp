#include "training/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(Chart, ALineRunsFromTheFirstStepToTheLast) {
  const std::string svg =
      chart_svg({.title = "Bits", .lines = {{"training", {{0, 8.0}, {50, 4.0}, {100, 2.0}}}}});
  EXPECT_THAT(svg, HasSubstr("aria-label=\"Bits\""));
  EXPECT_THAT(svg, HasSubstr("training 2.000"));
  // 64 … 624 across; 5% of room above and below 44 … 250
  EXPECT_THAT(svg, HasSubstr("<path class=\"line-1\" d=\"M64.0 53.4L344.0 178.2L624.0 240.6\"/>"));
  EXPECT_EQ(count(svg, "<circle"), 0U);
}

TEST(Chart, MarksAndNamesEachLine) {
  const std::string svg = chart_svg({.title = "Bits",
                                     .lines = {{"training", {{10, 8.0}, {20, 4.0}}},
                                               {"none", {}},
                                               {"valid", {{10, 7.0}, {20, 5.0}}, true}},
                                     .decimals = 1});
  EXPECT_EQ(count(svg, "<circle class=\"line-2\""), 2U);
  EXPECT_THAT(svg, HasSubstr("training 4.0"));
  EXPECT_THAT(svg, HasSubstr("valid 5.0"));
  EXPECT_THAT(svg, Not(HasSubstr("none")));
}

TEST(Chart, WhatIsNotFiniteIsLeftOut) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(chart_svg({.title = "a", .lines = {{"x", {{1, nan}, {2, infinity}}}}}), IsEmpty());
  const std::string svg = chart_svg({.title = "a", .lines = {{"x", {{1, nan}, {2, 1.0}}}}});
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(Chart, ManyPointsBecomeAFewHundred) {
  ChartLine line{"x", {}};
  for (int i = 0; i < 100'000; ++i) line.points.emplace_back(i, i % 2);
  const std::string svg = chart_svg({.title = "a", .lines = {line}});
  EXPECT_LE(count(svg, "L"), 420U);
  EXPECT_GE(count(svg, "L"), 300U);
}

TEST(Chart, TheFirstFallMayLeaveAtTheTop) {
  Chart chart{.title = "a", .lines = {{"x", {{1, 8.0}, {50, 2.2}, {100, 2.0}}}}};
  EXPECT_THAT(chart_svg(chart), HasSubstr(">8<"));
  chart.fall_may_leave = true;
  const std::string svg = chart_svg(chart);
  EXPECT_THAT(svg, Not(HasSubstr(">8<")));
  EXPECT_THAT(svg, HasSubstr("M69.6 42.0L"));
}

TEST(Chart, TitlesAreNoMarkup) {
  EXPECT_THAT(chart_svg({.title = "<b>", .lines = {{"x", {{1, 1.0}}}}}), Not(HasSubstr("<b>")));
}

}  // namespace
}  // namespace sparse_transformer
