#include "data/mu_law.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>

namespace sparse_transformer {
namespace {

/// G.711 table 2a: decoder output y_m of step m = 0 … 127, in 14 bits; 16 bits are 4 times that.
int table_output(int m) {
  const int segment = m / 16;
  return ((33 + 2 * (m % 16)) << segment) - 33;
}

/// G.711 table 2a: decision value x_m, where step m begins: x_0 = 0, x_1 = 1, 3, 5 … 31, 35 … 8159.
int table_decision(int m) {
  return m == 0 ? 0 : (table_output(m - 1) + table_output(m)) / 2;
}

TEST(MuLaw, DecodesTheTableOfG711) {
  EXPECT_EQ(table_output(127), 8031);  // the table's own last value
  EXPECT_EQ(table_decision(16), 31);
  EXPECT_EQ(table_decision(17), 35);
  EXPECT_EQ(table_decision(112), 4063);
  for (int m = 0; m < 128; ++m) {
    EXPECT_EQ(mu_law_decode(static_cast<std::uint8_t>(0xFF - m)), 4 * table_output(m)) << m;
    EXPECT_EQ(mu_law_decode(static_cast<std::uint8_t>(0x7F - m)), -4 * table_output(m)) << m;
  }
}

TEST(MuLaw, EncodesByTheDecisionValuesOfG711) {
  for (int m = 1; m < 128; ++m) {
    const int begin = 4 * table_decision(m);
    EXPECT_EQ(mu_law_encode(static_cast<std::int16_t>(begin)), 0xFF - m) << m;
    EXPECT_EQ(mu_law_encode(static_cast<std::int16_t>(begin - 1)), 0xFF - (m - 1)) << m;
    EXPECT_EQ(mu_law_encode(static_cast<std::int16_t>(-begin)), 0x7F - m) << m;
  }
  EXPECT_EQ(mu_law_encode(0), 0xFF);
  EXPECT_EQ(mu_law_encode(32767), 0x80);
  EXPECT_EQ(mu_law_encode(-32768), 0x00);
}

TEST(MuLaw, EveryCodeSurvivesARoundTrip) {
  for (int code = 0; code < 256; ++code) {
    const auto again = mu_law_encode(mu_law_decode(static_cast<std::uint8_t>(code)));
    EXPECT_EQ(again, code == 0x7F ? 0xFF : code);  // -0 becomes +0
  }
}

TEST(MuLaw, EverySampleComesBackWithinHalfItsStep) {
  for (int sample = -32768; sample < 32768; ++sample) {
    const int back = mu_law_decode(mu_law_encode(static_cast<std::int16_t>(sample)));
    if (std::abs(sample) > 4 * 8159) {
      EXPECT_EQ(std::abs(back), 32124);  // clipped
      continue;
    }
    const int step = 8 << ((0xFF ^ mu_law_encode(static_cast<std::int16_t>(sample))) >> 4 & 7);
    ASSERT_LE(2 * std::abs(back - sample), step) << sample;
  }
}

}  // namespace
}  // namespace sparse_transformer
