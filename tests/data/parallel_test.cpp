#include "data/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace sparse_transformer {
namespace {

TEST(Parallel, EachIndexOnceByAThreadThatExists) {
  std::vector<std::atomic<int>> visits(1000);
  std::atomic<std::size_t> highest = 0;
  in_parallel(visits.size(),
              [&](std::size_t thread, std::size_t index) {
                ++visits[index];
                if (thread > highest) highest = thread;
              },
              {});
  for (const auto& count : visits) EXPECT_EQ(count, 1);
  EXPECT_LT(highest, threads_for(visits.size()));
}

TEST(Parallel, NoMoreThreadsThanWork) {
  EXPECT_EQ(threads_for(0), 0U);
  EXPECT_EQ(threads_for(1), 1U);
  EXPECT_GE(threads_for(1000), 1U);
  in_parallel(0, [](std::size_t, std::size_t) { FAIL(); }, {});
}

TEST(Parallel, TellsHowManyAreDoneAndThatAllAre) {
  std::vector<std::int64_t> told;
  in_parallel(
      30,
      [](std::size_t, std::size_t) { std::this_thread::sleep_for(std::chrono::milliseconds(20)); },
      [&](std::int64_t done, std::int64_t total) {
        EXPECT_EQ(total, 30);
        EXPECT_GE(done, told.empty() ? 0 : told.back());
        told.push_back(done);
      });
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told.back(), 30);
}

TEST(Parallel, AnExceptionEndsItEarlyAndComesThrough) {
  std::atomic<int> calls = 0;
  const auto fail_at_ten = [&](std::size_t, std::size_t index) {
    ++calls;
    if (index == 10) throw std::runtime_error("ten");
  };
  EXPECT_THROW(in_parallel(100'000, fail_at_ten, {}), std::runtime_error);
  EXPECT_LT(calls, 100'000);
  const auto stop = [](std::int64_t, std::int64_t) { throw std::logic_error("stop"); };
  calls = 0;
  const auto slow = [&](std::size_t, std::size_t) {
    ++calls;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  EXPECT_THROW(in_parallel(100'000, slow, stop), std::logic_error);
  EXPECT_LT(calls, 100'000);
}

}  // namespace
}  // namespace sparse_transformer
