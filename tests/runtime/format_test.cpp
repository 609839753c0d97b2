#include "runtime/format.h"

#include <gtest/gtest.h>

#include <limits>

namespace sparse_transformer {
namespace {

TEST(Format, GroupsThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(59196928), "59,196,928");
  EXPECT_EQ(format_count(-123), "-123");
  EXPECT_EQ(format_count(-1234567), "-1,234,567");
}

TEST(Format, GivesBytesInPowersOf1024) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(std::int64_t{25} << 30), "25.0 GiB");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::int64_t>::max()), "8.0 EiB");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::int64_t>::min()), "-8.0 EiB");
}

TEST(Format, GivesTimesInTheirTwoLargestUnits) {
  EXPECT_EQ(format_duration(0.42), "0.4s");
  EXPECT_EQ(format_duration(9.96), "10s");
  EXPECT_EQ(format_duration(59.6), "1m00s");
  EXPECT_EQ(format_duration(62), "1m02s");
  EXPECT_EQ(format_duration(3720), "1h02m");
  EXPECT_EQ(format_duration(3 * 86400 + 4 * 3600), "3d04h");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "?");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::quiet_NaN()), "?");
}

TEST(Format, GivesRatesInThreeDigits) {
  EXPECT_EQ(format_rate(0), "0.00");
  EXPECT_EQ(format_rate(0.25), "0.25");
  EXPECT_EQ(format_rate(9.996), "10.0");
  EXPECT_EQ(format_rate(99.96), "100");
  EXPECT_EQ(format_rate(999.6), "1.00k");
  EXPECT_EQ(format_rate(15234), "15.2k");
  EXPECT_EQ(format_rate(3.4127e15), "3.41P");
}

TEST(Format, GivesLargeQuantitiesWithAPowerOfTen) {
  EXPECT_EQ(format_power(6.64e18), "6.6e18");
  EXPECT_EQ(format_power(9.96e20), "1.0e21");
  EXPECT_EQ(format_power(1500), "1.5e3");
  EXPECT_EQ(format_power(0.02), "2.0e-2");
}

TEST(Format, RoundsToFixedDigits) {
  EXPECT_EQ(format_fixed(2.3149, 2), "2.31");
  EXPECT_EQ(format_fixed(1e20, 1), "100000000000000000000.0");
}

TEST(Format, TablesAreAligned) {
  EXPECT_EQ(format_table({{"name", "a", "long"}, {"x", "10", "2"}, {"0 … 9", "", ""}}, 1),
            "name    a  long\n"
            "x      10     2\n"
            "0 … 9\n");
  EXPECT_EQ(format_table({}, 1), "");
  EXPECT_EQ(format_table({{"a\x1b\n", "1"}, {"b", "2"}}, 1), "a\\x1b\\n  1\nb        2\n");
}

}  // namespace
}  // namespace sparse_transformer
