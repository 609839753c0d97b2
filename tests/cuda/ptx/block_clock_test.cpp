#include "tests/cuda/ptx/block_clock.h"

#include <gtest/gtest.h>

namespace ptx {
namespace {

constexpr std::uint64_t kFlag = 0x1000, kOther = 0x2000;

/// Block 0 writes in its first interval and comes to a barrier; block 1 has just begun.
class PtxBlockClock : public ::testing::Test {
 protected:
  PtxBlockClock() {
    writer_.reset(0);
    reader_.reset(1);
    writer_.barrier();
  }
  void publish(int thread = 0) {
    writer_.fence(thread);
    writer_.atomic(thread, kFlag, published_);
  }
  bool sees_write(int thread = 0) const { return reader_.sees(thread, 0, 1); }

  BlockView writer_, reader_;
  PublishedClocks published_;
};

TEST_F(PtxBlockClock, AThreadSeesWhatItAcquired) {
  publish();
  EXPECT_FALSE(sees_write());
  reader_.acquire(3, kFlag, published_);
  EXPECT_TRUE(sees_write(3));
  EXPECT_FALSE(sees_write(4)) << "another thread, before a barrier";
  reader_.barrier();
  EXPECT_TRUE(sees_write(4));
}

TEST_F(PtxBlockClock, WithoutAFenceNothingIsPublished) {
  writer_.atomic(0, kFlag, published_);
  reader_.acquire(0, kFlag, published_);
  EXPECT_FALSE(sees_write());
}

TEST_F(PtxBlockClock, AFenceOfAnotherThreadPublishesNothing) {
  writer_.fence(1);
  writer_.atomic(0, kFlag, published_);
  reader_.acquire(0, kFlag, published_);
  EXPECT_FALSE(sees_write());
}

TEST_F(PtxBlockClock, WhatFollowsTheBarrierIsNotPublished) {
  publish();
  reader_.acquire(0, kFlag, published_);
  EXPECT_FALSE(reader_.sees(0, 0, 2));
}

TEST_F(PtxBlockClock, AnotherNumberSaysNothing) {
  publish();
  reader_.acquire(0, kOther, published_);
  EXPECT_FALSE(sees_write());
}

TEST_F(PtxBlockClock, AnAtomicOperationAcquiresWithAFenceAfterIt) {
  publish();
  reader_.atomic(0, kFlag, published_);
  EXPECT_FALSE(sees_write());
  reader_.fence(0);
  EXPECT_TRUE(sees_write());
}

TEST_F(PtxBlockClock, WhatABlockSeesItPassesOn) {
  publish();
  reader_.acquire(0, kFlag, published_);
  reader_.fence(0);
  reader_.atomic(0, kOther, published_);
  BlockView third;
  third.reset(2);
  third.acquire(0, kOther, published_);
  EXPECT_TRUE(third.sees(0, 0, 1));
}

TEST_F(PtxBlockClock, ANumberCollectsWhatSeveralBlocksPublish) {
  publish();
  BlockView third;
  third.reset(2);
  third.barrier();
  third.fence(0);
  third.atomic(0, kFlag, published_);
  reader_.acquire(0, kFlag, published_);
  EXPECT_TRUE(sees_write());
  EXPECT_TRUE(reader_.sees(0, 2, 1));
}

TEST_F(PtxBlockClock, ANewBlockSeesNothing) {
  publish();
  reader_.acquire(0, kFlag, published_);
  reader_.barrier();
  reader_.reset(5);
  EXPECT_EQ(reader_.block(), 5U);
  EXPECT_EQ(reader_.interval(), 1U);
  EXPECT_FALSE(sees_write());
}

}  // namespace
}  // namespace ptx
