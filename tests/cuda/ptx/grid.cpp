#include "tests/cuda/ptx/grid.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace ptx {
namespace {

/// Instructions of each warp in a turn of its block. A block that is alone needs no turns.
constexpr std::int64_t kTurn = 300;
/// Turns of all blocks in which threads only wait: yield before they have used their turn up.
constexpr int kPatience = 1000;

class Grid {
 public:
  Grid(Launch& launch, const Schedule& schedule) : launch_(launch), schedule_(schedule) {
    blocks_ = launch.grid[0] * launch.grid[1] * launch.grid[2];
  }

  void run() {
    for (std::uint32_t i = 0; i < std::min(schedule_.resident, blocks_); ++i) begin_next();
    int waited = 0;
    while (!resident_.empty()) {
      const std::int64_t before = launch_.progress;
      run_turns();
      waited = launch_.progress != before ? 0 : waited + 1;
      if (waited > kPatience) resident_.front()->fail_waiting();
    }
  }

 private:
  void begin_next() {
    if (begun_ == blocks_) return;
    resident_.push_back(std::make_unique<Block>(launch_));
    resident_.back()->start(number_of(begun_++));
  }

  std::uint32_t number_of(std::uint32_t turn) const {
    return schedule_.backwards ? blocks_ - 1 - turn : turn;
  }

  void run_turns() {
    for (std::unique_ptr<Block>& block : resident_) {
      block->run(kTurn, schedule_.backwards);
      if (block->is_done() && begun_ < blocks_) block->start(number_of(begun_++));
    }
    std::erase_if(resident_, [](const auto& block) { return block->is_done(); });
  }

  Launch& launch_;
  Schedule schedule_;
  std::uint32_t blocks_, begun_ = 0;
  std::vector<std::unique_ptr<Block>> resident_;
};

}  // namespace

void run_grid(Launch& launch, const Schedule& schedule) {
  launch.memory->begin_launch();
  ++launch.counters->launches;
  Grid(launch, schedule).run();
}

}  // namespace ptx
