#include "tests/cuda/device.h"

#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

namespace ptx {
namespace {

// Of compute capability 9.0.
constexpr std::uint32_t kMostThreads = 1024, kMostThreadsAlongZ = 64;
constexpr std::uint32_t kMostShared = 227 * 1024;
constexpr std::uint32_t kUsualShared = 48 * 1024;

}  // namespace

Device& Device::instance() {
  static Device device;
  return device;
}

void Device::add_module(const std::string& text) {
  modules_.push_back(std::make_unique<Module>(text));
}

std::vector<std::string> Device::kernel_names() const {
  std::vector<std::string> names;
  for (const auto& module : modules_) {
    for (const std::string& name : module->kernel_names()) names.push_back(name);
  }
  return names;
}

Module& Device::module_of(const std::string& name) {
  for (const auto& module : modules_) {
    if (module->has(name)) return *module;
  }
  throw std::logic_error("no kernel " + name);
}

const Kernel& Device::kernel(const std::string& name) { return module_of(name).kernel(name); }

bool Device::allow_dynamic_shared(const std::string& name, std::uint32_t bytes) {
  if (kernel(name).static_shared_bytes + bytes > kMostShared) return false;
  dynamic_shared_[name] = bytes;
  return true;
}

bool Device::accepts(const std::string& name, const LaunchShape& shape) {
  constexpr std::uint64_t kMostBlocks = std::numeric_limits<std::int32_t>::max();
  constexpr std::uint32_t kMostAcross = 65535;
  const Kernel& its = kernel(name);
  const auto& [grid, block, dynamic] = shape;
  const std::uint64_t threads = std::uint64_t{block[0]} * block[1] * block[2];
  const bool has_blocks = grid[0] > 0 && grid[1] > 0 && grid[2] > 0 && grid[0] <= kMostBlocks &&
                          grid[1] <= kMostAcross && grid[2] <= kMostAcross;
  const bool has_threads = threads > 0 && threads <= kMostThreads &&
                           block[2] <= kMostThreadsAlongZ &&
                           threads <= static_cast<std::uint64_t>(its.most_threads);
  const bool has_shared = dynamic_shared_.contains(name)
                              ? dynamic <= dynamic_shared_.at(name)
                              : its.static_shared_bytes + dynamic <= kUsualShared;
  return has_blocks && has_threads && has_shared;
}

void Device::launch(const std::string& name, const LaunchShape& shape, void* const* arguments) {
  Launch launch;
  launch.kernel = &kernel(name);
  launch.grid = shape.grid;
  launch.block = shape.block;
  launch.dynamic_shared_bytes = shape.dynamic_shared_bytes;
  launch.parameters.resize(launch.kernel->parameter_bytes);
  for (std::size_t i = 0; i < launch.kernel->parameters.size(); ++i) {
    const Parameter& parameter = launch.kernel->parameters[i];
    std::memcpy(launch.parameters.data() + parameter.offset, arguments[i], parameter.bytes);
  }
  launch.memory = &memory_;
  launch.counters = &counters_[name];
  carry_out([this, launch] {
    Launch its = launch;
    run_grid(its, schedule_);
  });
}

void Device::carry_out(Work work) {
  if (is_recording_) {
    recorded_.push_back(std::move(work));
  } else {
    work();
  }
}

void Device::begin_recording() {
  recorded_.clear();
  is_recording_ = true;
}

std::vector<Device::Work> Device::end_recording() {
  is_recording_ = false;
  return std::exchange(recorded_, {});
}

}  // namespace ptx
