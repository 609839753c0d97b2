#include "tests/cuda/ptx/block_clock.h"

#include <algorithm>

namespace ptx {

void BlockClock::raise(std::uint32_t block, std::uint32_t intervals) {
  if (intervals == 0) return;
  if (block >= seen_.size()) seen_.resize(block + 1);
  seen_[block] = std::max(seen_[block], intervals);
}

void BlockClock::merge(const BlockClock& other) {
  if (seen_.size() < other.seen_.size()) seen_.resize(other.seen_.size());
  for (std::size_t i = 0; i < other.seen_.size(); ++i) {
    seen_[i] = std::max(seen_[i], other.seen_[i]);
  }
}

void BlockView::reset(std::uint32_t block) {
  block_ = block;
  interval_ = 1;
  seen_.clear();
  exchanges_.clear();
}

bool BlockView::sees(int thread, std::uint32_t block, std::uint32_t interval) const {
  if (seen_[block] >= interval) return true;
  const auto found = exchanges_.find(thread);
  return found != exchanges_.end() && found->second.seen[block] >= interval;
}

void BlockView::fence(int thread) {
  Exchange& exchange = exchanges_[thread];
  exchange.seen.merge(exchange.received);
  exchange.released = seen_;
  exchange.released.merge(exchange.seen);
  exchange.released.raise(block_, interval_ - 1);
}

void BlockView::atomic(int thread, std::uint64_t address, PublishedClocks& published) {
  Exchange& exchange = exchanges_[thread];
  BlockClock& clock = published[address];
  exchange.received.merge(clock);
  clock.merge(exchange.released);
}

void BlockView::acquire(int thread, std::uint64_t address, const PublishedClocks& published) {
  const auto found = published.find(address);
  if (found != published.end()) exchanges_[thread].seen.merge(found->second);
}

void BlockView::barrier() {
  for (auto& [thread, exchange] : exchanges_) seen_.merge(exchange.seen);
  ++interval_;
}

}  // namespace ptx
