// A kernel, decoded from PTX text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ptx {

class Warp;

constexpr int kLanes = 32;

/// A bit for each lane of a warp.
using Mask = std::uint32_t;
constexpr Mask kAllLanes = 0xffffffff;

/// Where the register file of a warp has a register: numbers of `bytes` bytes, one a lane, without
/// gaps. Predicates are bytes, 0 or 1. Constants and special registers (%tid.x) are registers that
/// are set before the kernel begins.
struct Slot {
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
  bool exists() const { return bytes != 0; }
};

/// What an instruction does to the order of execution.
enum class Flow : std::uint8_t {
  kNext,
  kBranch,
  kExit,
  /// The lanes of `Instruction::members` carry it out together.
  kWarp,
  /// A barrier of the block: every thread that has not exited.
  kBlock,
  /// Lets other warps and blocks run afterwards: what threads that wait for others execute.
  kYield,
};

struct Instruction {
  /// Carries the instruction out for these lanes of the warp.
  std::function<void(Warp&, Mask)> run;
  Flow flow = Flow::kNext;
  Slot guard;  // a predicate, or none
  bool guard_negated = false;
  Slot members;     // of kWarp: a mask of lanes; where there is none, every lane of the warp
  int target = -1;  // of kBranch
  bool is_tensor_core = false;
  std::string text;
};

/// Numbers that a register has before the kernel begins.
struct Preset {
  enum class Value : std::uint8_t { kConstant, kThread, kThreads, kBlock, kBlocks, kLane };
  Slot slot;
  Value value = Value::kConstant;
  std::uint64_t constant = 0;
  int axis = 0;  // 0 … 2 for .x, .y, .z
};

struct Parameter {
  std::uint32_t offset, bytes;
};

struct Kernel {
  std::string name;  // mangled
  std::vector<Parameter> parameters;
  std::uint32_t parameter_bytes = 0;
  std::uint32_t register_bytes = 0;  // of a warp
  std::uint32_t static_shared_bytes = 0;
  std::uint32_t local_bytes = 0;  // of a thread
  int most_threads = 1024;        // of a block: __launch_bounds__
  std::vector<Preset> presets;
  std::vector<Instruction> code;
};

}  // namespace ptx
