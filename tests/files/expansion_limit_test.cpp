#include "files/expansion_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

TEST(ExpansionLimit, SmallFilesMayBecome256MebibytesInAll) {
  ExpansionLimit limit("a.gz", 10);
  limit.add(200 * kMebibyte);
  limit.add(56 * kMebibyte);
  EXPECT_THAT([&] { limit.add(1); }, ::testing::ThrowsMessage<UserError>(::testing::HasSubstr(
                                         "a.gz: its 10 bytes become more than 268435456")));
}

TEST(ExpansionLimit, LargeOnesGrow250Fold) {
  ExpansionLimit limit("a.gz", 2 * kMebibyte);
  limit.add(500 * kMebibyte);
  EXPECT_THROW(limit.add(1), UserError);
}

}  // namespace
}  // namespace sparse_transformer
