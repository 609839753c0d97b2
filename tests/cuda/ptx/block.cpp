#include "tests/cuda/ptx/block.h"

#include <algorithm>
#include <bit>

namespace ptx {

std::uint32_t Launch::shared_bytes() const {
  constexpr std::uint32_t kAlignment = 16;  // of dynamic shared memory
  const std::uint32_t fixed = kernel->static_shared_bytes;
  return (fixed + kAlignment - 1) / kAlignment * kAlignment + dynamic_shared_bytes;
}

Block::Block(Launch& launch) : launch_(launch) {
  warps_.resize(static_cast<std::size_t>((threads() + kLanes - 1) / kLanes));
}

int Block::threads() const {
  const Size3& size = launch_.block;
  return static_cast<int>(size[0] * size[1] * size[2]);
}

Size3 Block::position(std::uint32_t number, const Size3& sizes) {
  return {number % sizes[0], number / sizes[0] % sizes[1], number / sizes[0] / sizes[1]};
}

void Block::start(std::uint32_t number) {
  number_ = number;
  shared_.reset(launch_.shared_bytes());
  view_.reset(number);
  for (std::size_t i = 0; i < warps_.size(); ++i) warps_[i].start(*this, static_cast<int>(i));
  ++counters().blocks;
}

void Block::run(std::int64_t instructions, bool backwards) {
  for (std::size_t i = 0; i < warps_.size(); ++i) {
    warps_[backwards ? warps_.size() - 1 - i : i].run(instructions);
  }
  const auto waits = [](const Warp& warp) { return warp.state() == Warp::State::kAtBarrier; };
  const auto is_running = [](const Warp& warp) { return warp.state() == Warp::State::kRunning; };
  if (std::any_of(warps_.begin(), warps_.end(), waits) &&
      std::none_of(warps_.begin(), warps_.end(), is_running)) {
    pass_barrier_together();
  }
  if (is_done()) note_progress();
}

void Block::pass_barrier_together() {
  const Warp* first = nullptr;
  for (Warp& warp : warps_) {
    if (warp.state() != Warp::State::kAtBarrier) continue;
    if (first == nullptr) first = &warp;
    if (&warp.at() != &first->at()) warp.fail("threads wait at different barriers");
  }
  shared_.barrier();
  view_.barrier();
  for (Warp& warp : warps_) {
    if (warp.state() == Warp::State::kAtBarrier) warp.pass_barrier();
  }
  note_progress();
}

void Block::fail_waiting() const {
  const auto is_running = [](const Warp& warp) { return warp.state() == Warp::State::kRunning; };
  std::find_if(warps_.begin(), warps_.end(), is_running)->fail("blocks wait for what never comes");
}

bool Block::is_done() const {
  return std::all_of(warps_.begin(), warps_.end(),
                     [](const Warp& warp) { return warp.state() == Warp::State::kDone; });
}

void Block::count(const Instruction& instruction, Mask lanes) {
  Counters& counters = this->counters();
  ++counters.instructions;
  counters.lane_instructions += std::popcount(lanes);
  if (instruction.is_tensor_core) ++counters.tensor_core_products;
}

}  // namespace ptx
