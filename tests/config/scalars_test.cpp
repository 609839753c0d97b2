#include "config/scalars.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>

namespace sparse_transformer {
namespace {

TEST(Scalars, IntegersAreDecimal) {
  EXPECT_EQ(parse_integer("12"), 12);
  EXPECT_EQ(parse_integer("-12"), -12);
  EXPECT_EQ(parse_integer("+12"), 12);
  EXPECT_EQ(parse_integer("010"), 10);
  EXPECT_EQ(parse_integer("1e6"), 1000000);
  EXPECT_EQ(parse_integer("12.0"), 12);
  EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parse_integer("9007199254740993"), 9007199254740993);
}

TEST(Scalars, WhatIsNoInteger) {
  for (const char* text :
       {"", "1.5", "1_000", "0x10", "1e-3", "9223372036854775808", "1e300", "12:30", " 1", "1 ",
        "--1", "+-1", "++1", "+", "-", "ten", "inf", "nan", "1e400"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
}

TEST(Scalars, NumbersAreDecimalAndFinite) {
  EXPECT_EQ(parse_number("1e-3"), 0.001);
  EXPECT_EQ(parse_number("+.5"), 0.5);
  EXPECT_EQ(parse_number("-3"), -3.0);
  EXPECT_EQ(parse_number("5."), 5.0);
  EXPECT_EQ(parse_number("010"), 10.0);
  for (const char* text :
       {"", ".", "inf", "-inf", ".inf", "nan", "infinity", "0x1p3", "1e400", "1,5", "5%"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
}

TEST(Scalars, Booleans) {
  for (const char* text : {"true", "True", "TRUE", "yes", "on"}) EXPECT_EQ(parse_bool(text), true);
  for (const char* text : {"false", "No", "off"}) EXPECT_EQ(parse_bool(text), false);
  for (const char* text : {"", "1", "0", "y", "truth"}) EXPECT_EQ(parse_bool(text), std::nullopt);
}

TEST(Scalars, NumbersAreWrittenAsYamlFloats) {
  EXPECT_EQ(yaml_number(3.5e-4), "0.00035");
  EXPECT_EQ(yaml_number(1e-8), "1.0e-08");
  EXPECT_EQ(yaml_number(1e30), "1.0e+30");
  EXPECT_EQ(yaml_number(1), "1.0");
  EXPECT_EQ(yaml_number(-0.0), "-0.0");
  EXPECT_EQ(yaml_number(0.1), "0.1");
  EXPECT_THROW(yaml_number(std::nan("")), std::logic_error);
}

TEST(Scalars, EveryDoubleReadsBackAsItself) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t bits = random();
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    if (!std::isnormal(number)) continue;
    ASSERT_EQ(parse_number(yaml_number(number)), number) << yaml_number(number);
  }
  const double smallest = std::numeric_limits<double>::denorm_min();
  EXPECT_EQ(parse_number(yaml_number(smallest)), smallest);
}

TEST(Scalars, WordsAreQuotedUnlessEveryReaderTakesThemForText) {
  for (const char* text :
       {"cosine", "near+start", "data/enwik8.xz", "/abs/path", "_x", "e5", "a-b"}) {
    EXPECT_EQ(yaml_word(text), text);
  }
  for (const char* text :
       {"",    "no",   "Off", "y",   "null",  "~",      "12", "1e5", ".5", "-1", "+1", "../x",
        "a b", "a: b", "#a",  "[a]", "12:30", "cuda:0", "*a", "&a",  "!a", "é",  "="}) {
    EXPECT_EQ(yaml_word(text), std::string(1, '"').append(text) + '"');
  }
  EXPECT_EQ(yaml_word("a\"\\\n\x01"), R"("a\"\\\n\x01")");
  EXPECT_EQ(yaml_word("\u202e\xc2\x85"), R"("\u202e\u0085")");
}

TEST(Scalars, BytesThatAreNotUtf8AreBase64) {
  EXPECT_EQ(yaml_word("te\xffxt"), R"(!!binary "dGX/eHQ=")");
}

TEST(Scalars, WhatIsWholeButNoIntegerHereIsSaid) {
  const std::string limit = ", written in digits and at most 9223372036854775807";
  for (const char* text : {"9223372036854775808", "-9223372036854775809", "1e16", "1e300"}) {
    EXPECT_EQ(integer_limit(text), limit) << text;
  }
  for (const char* text : {"", "3", "1.5", "ten", "9223372036854775807", "-9223372036854775808"}) {
    EXPECT_EQ(integer_limit(text), "") << text;
  }
}

TEST(Scalars, MessagesAreOneShortLine) {
  EXPECT_EQ(one_line("a\nb\tc\x7f"), R"(a\nb\tc\x7f)");
  EXPECT_EQ(one_line(std::string(1000, 'x')), std::string(80, 'x') + "...");
  EXPECT_EQ(one_line(std::string(79, 'x') + "\u00e9\u00e9"), std::string(79, 'x') + "\u00e9...");
}

}  // namespace
}  // namespace sparse_transformer
