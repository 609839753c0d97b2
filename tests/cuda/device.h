// The device that the interpreter stands in for, behind CUDA's runtime functions
// (emulated_runtime.cpp).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/cuda/ptx/counters.h"
#include "tests/cuda/ptx/global_memory.h"
#include "tests/cuda/ptx/grid.h"
#include "tests/cuda/ptx/module.h"

namespace ptx {

/// How a kernel is launched: kernel<<<grid, block, dynamic_shared_bytes>>>.
struct LaunchShape {
  Size3 grid = {1, 1, 1}, block = {1, 1, 1};
  std::uint32_t dynamic_shared_bytes = 0;
};

class Device {
 public:
  /// The one that CUDA's runtime functions use.
  static Device& instance();

  void add_module(const std::string& text);
  /// Mangled names of every kernel of every module.
  std::vector<std::string> kernel_names() const;
  const Kernel& kernel(const std::string& name);

  /// Whether a GPU would take the launch.
  bool accepts(const std::string& name, const LaunchShape& shape);
  /// `arguments`: a pointer to each parameter. Throws Fault and Unsupported.
  void launch(const std::string& name, const LaunchShape& shape, void* const* arguments);

  /// Does what is on the device's turn, or keeps it while work is recorded, as a CUDA graph is.
  using Work = std::function<void()>;
  void carry_out(Work work);
  void begin_recording();
  std::vector<Work> end_recording();
  bool is_recording() const { return is_recording_; }

  /// More dynamic shared memory than 48 KB must be asked for. Returns whether there is so much.
  bool allow_dynamic_shared(const std::string& name, std::uint32_t bytes);

  GlobalMemory& memory() { return memory_; }
  Schedule& schedule() { return schedule_; }
  /// By kernel, of all its launches so far.
  const std::map<std::string, Counters>& counters() const { return counters_; }
  std::map<std::string, Counters>& counters() { return counters_; }

 private:
  Module& module_of(const std::string& name);

  std::vector<std::unique_ptr<Module>> modules_;
  std::map<std::string, std::uint32_t> dynamic_shared_;  // allowed, by kernel
  GlobalMemory memory_;
  Schedule schedule_;
  std::map<std::string, Counters> counters_;
  bool is_recording_ = false;
  std::vector<Work> recorded_;
};

}  // namespace ptx
