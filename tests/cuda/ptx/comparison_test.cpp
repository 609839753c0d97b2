#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "tests/cuda/ptx/snippet.h"

namespace ptx {
namespace {

using ::testing::HasSubstr;

/// Whether setp holds between the elements of two buffers, for every pair.
template <typename T>
std::vector<std::uint32_t> compare(const std::string& setp, const std::vector<T>& a,
                                   const std::vector<T>& b) {
  const std::string bytes = std::to_string(8 * sizeof(T));
  const std::string x = register_of(sizeof(T), 1), y = register_of(sizeof(T), 2);
  Snippet snippet(element_address("%a1", sizeof(T)) + "ld.global.b" + bytes + " " + x +
                  ", [%d0];\n" + element_address("%a2", sizeof(T)) + "ld.global.b" + bytes + " " +
                  y + ", [%d0];\n" + setp + " %p1, " + x + ", " + y +
                  ";\nselp.u32 %r9, 1, 0, %p1;\n" + element_address("%a0", 4) +
                  "st.global.u32 [%d0], %r9;");
  snippet.give_unwritten(4 * a.size());
  snippet.give(a);
  snippet.give(b);
  snippet.run_threads(static_cast<std::uint32_t>(a.size()));
  return snippet.read<std::uint32_t>(0, a.size());
}

template <typename T>
using Relations = std::map<std::string, std::function<bool(T, T)>>;

template <typename T>
Relations<T> ordered_relations() {
  return {{"eq", [](T x, T y) { return x == y; }}, {"lt", [](T x, T y) { return x < y; }},
          {"le", [](T x, T y) { return x <= y; }}, {"gt", [](T x, T y) { return x > y; }},
          {"ge", [](T x, T y) { return x >= y; }}, {"ne", [](T x, T y) { return x < y || x > y; }}};
}

/// Also those that hold where a number is NaN.
template <typename T>
Relations<T> all_relations() {
  Relations<T> all = ordered_relations<T>();
  for (const auto& [name, holds] : ordered_relations<T>()) {
    all[name + "u"] = [holds](T x, T y) { return std::isnan(x) || std::isnan(y) || holds(x, y); };
  }
  all["nan"] = [](T x, T y) { return std::isnan(x) || std::isnan(y); };
  all["num"] = [](T x, T y) { return !std::isnan(x) && !std::isnan(y); };
  return all;
}

template <typename T>
void expect_relations(const Relations<T>& relations, const std::string& type,
                      const std::vector<T>& values) {
  std::vector<T> a, b;
  for (const T x : values) {
    for (const T y : values) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  for (const auto& [name, holds] : relations) {
    const std::vector<std::uint32_t> d = compare("setp." + name + type, a, b);
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(d[i], holds(a[i], b[i]) ? 1U : 0U) << name << type << ' ' << a[i] << ' ' << b[i];
    }
  }
}

TEST(PtxComparison, OfFloatsSaysWhatHoldsWithNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), huge = HUGE_VALF;
  expect_relations<float>(all_relations<float>(), ".f32", {-huge, -1, -0.0F, 0, 1e-42F, huge, nan});
  expect_relations<double>(all_relations<double>(), ".f64", {-huge, -1, 0, 5e-320, huge, nan});
}

TEST(PtxComparison, OfIntegersHeedsTheSign) {
  expect_relations<std::int32_t>(ordered_relations<std::int32_t>(), ".s32",
                                 {INT32_MIN, -1, 0, 1, INT32_MAX});
  expect_relations<std::uint32_t>(ordered_relations<std::uint32_t>(), ".u32",
                                  {0, 1, INT32_MAX, 0x80000000, UINT32_MAX});
  expect_relations<std::int64_t>(ordered_relations<std::int64_t>(), ".s64",
                                 {INT64_MIN, -1, 0, 1LL << 32, INT64_MAX});
  expect_relations<std::uint64_t>(ordered_relations<std::uint64_t>(), ".u64",
                                  {0, 1ULL << 32, 1ULL << 63, UINT64_MAX});
  expect_relations<std::int16_t>(ordered_relations<std::int16_t>(), ".s16",
                                 {INT16_MIN, -1, 0, INT16_MAX});
  expect_relations<std::uint16_t>(ordered_relations<std::uint16_t>(), ".u16",
                                  {0, INT16_MAX, 0x8000, UINT16_MAX});
}

TEST(PtxComparison, ChoosesByAPredicate) {
  Snippet snippet(
      "setp.eq.u32 %p1, %tid, 1;\n selp.f32 %f1, 0f3F800000, 0fBF800000, %p1;\n"
      "selp.b64 %d2, -1, 5, %p1;\n" +
      element_address("%a0", 4) + "st.global.f32 [%d0], %f1;\n" + element_address("%a1", 8) +
      "st.global.u64 [%d0], %d2;");
  snippet.give_unwritten(8);
  snippet.give_unwritten(16);
  snippet.run_threads(2);
  EXPECT_THAT(snippet.read<float>(0, 2), ::testing::ElementsAre(-1.0F, 1.0F));
  EXPECT_THAT(snippet.read<std::int64_t>(1, 2), ::testing::ElementsAre(5, -1));
}

TEST(PtxComparison, RefusesWhatItDoesNotHave) {
  for (const std::string statement :
       {"setp.lo.u32 %p1, %r1, %r2", "setp.lt.and.s32 %p1, %r1, %r2, %p2",
        "setp.lt.ftz.f32 %p1, %f1, %f2", "setp.lt.f16 %p1, %x1, %x2", "setp.eq.s32 %p1|%p2, 1, 2",
        "setp.eq.s32 %p1, %d1, 2", "setp %p1, %r1, %r2", "selp.ftz.f32 %f1, %f2, %f3, %p1",
        "selp.b32 %r1, %r2, %p1", "selp.b32 %r1, %r2, %r3, %r4"}) {
    EXPECT_THAT(refusal(statement + ";"), HasSubstr("`" + statement + "`: ")) << statement;
  }
}

}  // namespace
}  // namespace ptx
