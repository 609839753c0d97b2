#include "tests/cuda/ptx/warp.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "tests/cuda/ptx/block.h"
#include "tests/cuda/ptx/fault.h"

namespace ptx {
namespace {

/// The number that a special register of `lane` has.
std::uint64_t value_of(const Preset& preset, const Block& block, int thread) {
  const auto axis = static_cast<std::size_t>(preset.axis);
  switch (preset.value) {
    case Preset::Value::kConstant:
      return preset.constant;
    case Preset::Value::kThread:
      return block.thread_index(thread)[axis];
    case Preset::Value::kThreads:
      return block.threads_by_axis()[axis];
    case Preset::Value::kBlock:
      return block.index()[axis];
    case Preset::Value::kBlocks:
      return block.blocks_by_axis()[axis];
    case Preset::Value::kLane:
      return static_cast<std::uint64_t>(thread % kLanes);
  }
  return 0;
}

}  // namespace

void CopyQueue::commit() {
  groups_.push_back(std::move(open_));
  open_.clear();
}

std::vector<Copy> CopyQueue::take_all_but(std::size_t groups) {
  std::vector<Copy> taken;
  while (groups_.size() > groups) {
    taken.insert(taken.end(), groups_.front().begin(), groups_.front().end());
    groups_.erase(groups_.begin());
  }
  return taken;
}

bool CopyQueue::is_empty() const {
  return open_.empty() && std::all_of(groups_.begin(), groups_.end(),
                                      [](const auto& group) { return group.empty(); });
}

void Warp::start(Block& block, int index) {
  block_ = &block;
  index_ = index;
  state_ = State::kRunning;
  const Kernel& kernel = block.kernel();
  const int threads = std::min(kLanes, block.threads() - index * kLanes);
  live_ = threads == kLanes ? kAllLanes : (Mask{1} << threads) - 1;
  paths_ = {{0, live_, false}};
  registers_.assign(kernel.register_bytes, 0xff);  // NaN where nothing was written
  for (const Preset& preset : kernel.presets) {
    for (int lane = 0; lane < kLanes; ++lane) {
      set_number(preset.slot, lane, value_of(preset, block, thread(lane)));
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    copies(lane) = CopyQueue();
    local(lane).assign(kernel.local_bytes, 0xff);
  }
}

std::uint64_t Warp::number(Slot slot, int lane) const {
  std::uint64_t value = 0;
  std::memcpy(&value, registers_.data() + slot.offset + slot.bytes * static_cast<unsigned>(lane),
              slot.bytes);
  return value;
}

void Warp::set_number(Slot slot, int lane, std::uint64_t value) {
  std::memcpy(registers_.data() + slot.offset + slot.bytes * static_cast<unsigned>(lane), &value,
              slot.bytes);
}

const Instruction& Warp::at() const { return block_->kernel().code[static_cast<std::size_t>(at_)]; }

void Warp::run(std::int64_t instructions) {
  has_yielded_ = false;
  while (state_ == State::kRunning && !has_yielded_) {
    if (instructions-- == 0) return block_->note_progress();  // it computes
    Path* const path = next_path();
    if (path == nullptr) fail("threads of a warp wait at different instructions for each other");
    step(*path);
    if (paths_.size() > 1) join_paths();
  }
}

Warp::Path* Warp::next_path() {
  for (Path& path : paths_) {
    if (!path.waits) return &path;
  }
  return nullptr;
}

Mask Warp::guarded(const Instruction& instruction, const Path& path) const {
  if (!instruction.guard.exists()) return path.lanes;
  Mask lanes = 0;
  for_each_lane(path.lanes, [&](int lane) {
    const bool is_true = number(instruction.guard, lane) != 0;
    if (is_true != instruction.guard_negated) lanes |= Mask{1} << lane;
  });
  return lanes;
}

void Warp::step(Path& path) {
  at_ = path.at;
  const Instruction& instruction = at();
  const Mask lanes = guarded(instruction, path);
  if ((instruction.flow == Flow::kWarp || instruction.flow == Flow::kBlock) &&
      !has_come_together(path, instruction, lanes)) {
    return;
  }
  block_->count(instruction, lanes);
  switch (instruction.flow) {
    case Flow::kBranch:
      return branch(path, lanes, instruction.target);
    case Flow::kExit:
      return exit(path, lanes);
    case Flow::kBlock:
      state_ = State::kAtBarrier;
      return;
    case Flow::kYield:
      has_yielded_ = true;
      break;
    case Flow::kNext:
    case Flow::kWarp:
      break;
  }
  if (lanes != 0 && instruction.run) execute(instruction, lanes);
  ++path.at;
}

void Warp::execute(const Instruction& instruction, Mask lanes) {
  try {
    instruction.run(*this, lanes);
  } catch (const LaneFault& fault) {
    fail(fault.message, fault.lane);
  }
}

bool Warp::has_come_together(Path& path, const Instruction& instruction, Mask lanes) {
  Mask wanted = live_;
  if (instruction.members.exists() && lanes != 0) {
    wanted = static_cast<Mask>(number(instruction.members, std::countr_zero(lanes)));
    if ((wanted & ~live_) != 0) fail("a thread that has exited is a member");
    const Mask others = lanes & ~wanted;
    if (others != 0) fail("a thread takes part that is no member", std::countr_zero(others));
  }
  if (lanes == 0 && instruction.flow == Flow::kWarp) return true;  // skipped by all
  path.waits = (wanted & ~lanes) != 0;
  if (path.waits && path.lanes != lanes) {
    fail("some threads of the warp skip what the others execute together");
  }
  return !path.waits;
}

void Warp::branch(Path& path, Mask taken, int target) {
  const Mask rest = path.lanes & ~taken;
  if (taken == 0) {
    ++path.at;
  } else if (rest == 0) {
    path.at = target;
  } else {
    path.lanes = rest;
    ++path.at;
    paths_.push_back({target, taken, false});
  }
}

void Warp::exit(Path& path, Mask lanes) {
  for_each_lane(lanes, [&](int lane) {
    if (!copies(lane).is_empty()) fail("exits before its copies have arrived", lane);
  });
  live_ &= ~lanes;
  path.lanes &= ~lanes;
  ++path.at;
  std::erase_if(paths_, [](const Path& each) { return each.lanes == 0; });
  if (paths_.empty()) state_ = State::kDone;
  for (Path& each : paths_) each.waits = false;  // those that wait for these threads look again
}

void Warp::join_paths() {
  std::sort(paths_.begin(), paths_.end(), [](const Path& a, const Path& b) { return a.at < b.at; });
  for (std::size_t i = 1; i < paths_.size();) {
    Path& earlier = paths_[i - 1];
    if (earlier.at != paths_[i].at) {
      ++i;
      continue;
    }
    earlier.lanes |= paths_[i].lanes;
    earlier.waits = false;
    paths_.erase(paths_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

void Warp::pass_barrier() {
  ++paths_.front().at;
  state_ = State::kRunning;
}

void Warp::fail(const std::string& message) const {
  const auto is_here = [this](const Path& path) { return path.at == at_; };
  const auto here = std::find_if(paths_.begin(), paths_.end(), is_here);
  const Path& path = here != paths_.end() ? *here : paths_.front();
  fail(message, std::countr_zero(path.lanes));
}

void Warp::fail(const std::string& message, int lane) const {
  throw Fault("kernel " + block_->kernel().name + ", block " + std::to_string(block_->number()) +
              ", thread " + std::to_string(thread(lane)) + ", at `" + at().text + "`: " + message);
}

}  // namespace ptx
