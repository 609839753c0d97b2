// What the names in a kernel's text stand for, and the registers that are made for them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/cuda/ptx/kernel.h"
#include "tests/cuda/ptx/type.h"

namespace ptx {

/// Shared memory begins at this address, so that a null pointer is outside.
constexpr std::uint32_t kSharedBase = 1024;

/// `[%rd1+16]`: the address in a register plus a constant.
struct Address {
  Slot base;
  std::int64_t offset = 0;
};

class Names {
 public:
  explicit Names(Kernel& kernel) : kernel_(kernel) {}

  /// `.reg .b32 %r<4>` declares %r0 … %r3; without brackets the name itself.
  void declare_registers(const std::string& name, Type type, int count);
  void declare_shared(const std::string& name, std::uint32_t bytes, std::uint32_t alignment);
  void declare_dynamic_shared(const std::string& name);
  void declare_local(const std::string& name, std::uint32_t bytes, std::uint32_t alignment);
  void declare_parameter(const std::string& name, std::uint32_t bytes, std::uint32_t alignment);

  /// Names within braces are forgotten at the end; the registers stay.
  void open_scope() { scopes_.push_back(registers_); }
  void close_scope();
  bool is_within_scope() const { return !scopes_.empty(); }

  /// A register that an instruction writes.
  Slot target(const std::string& text) const;
  /// What an instruction reads as a number of `bytes` bytes: a register of that size, a constant, a
  /// special register or the address of a variable.
  Slot source(const std::string& text, int bytes);
  /// A register of any size.
  Slot any_register(const std::string& text) const { return target(text); }
  /// `[base+offset]`; addresses of shared memory have 32 bits or 64, others 64.
  Address address(const std::string& text);

 private:
  Slot new_slot(int bytes);
  Slot preset(const Preset& preset, int bytes);
  Slot constant(std::uint64_t value, int bytes);

  Kernel& kernel_;
  std::map<std::string, Slot> registers_;
  std::map<std::string, std::uint64_t> variables_;  // addresses
  std::vector<std::string> dynamic_;                // names of dynamic shared memory
  std::vector<std::map<std::string, Slot>> scopes_;
  std::map<std::string, Slot> presets_;
};

}  // namespace ptx
