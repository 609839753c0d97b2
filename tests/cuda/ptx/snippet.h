// A few PTX statements run as a kernel of their own, for the tests of the interpreter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/cuda/device.h"

namespace ptx {

/// The kernel `test`: these statements on a device of their own. Registers: %a0 … %a5 hold the
/// addresses of the buffers, in the order in which they were given; %tid and %cta are %tid.x and
/// %ctaid.x; %x0 … %x31 have 16 bits, %r0 … %r63 and %f0 … %f31 have 32, %d0 … %d31 have 64; %p0 …
/// %p15 are predicates.
class Snippet {
 public:
  /// `declarations`: text in front of the kernel.
  explicit Snippet(const std::string& statements, const std::string& declarations = "");

  /// A further buffer, which keeps these values. Returns its address.
  template <typename T>
  std::uint64_t give(const std::vector<T>& values) {
    const std::uint64_t address = give_unwritten(values.size() * sizeof(T));
    device_.memory().host_write(reinterpret_cast<void*>(address), values.data(),
                                values.size() * sizeof(T));
    return address;
  }
  /// A further buffer, in which nothing was written.
  std::uint64_t give_unwritten(std::size_t bytes);

  void run(const LaunchShape& shape = {});
  /// Runs one block of `threads` threads.
  void run_threads(std::uint32_t threads) { run({.block = {threads, 1, 1}}); }
  /// The message of the Fault that a run ends with, or "none".
  std::string fault(const LaunchShape& shape = {});
  std::string fault_of_threads(std::uint32_t threads) { return fault({.block = {threads, 1, 1}}); }

  /// The first `count` values of a buffer.
  template <typename T>
  std::vector<T> read(std::size_t buffer, std::size_t count) {
    std::vector<T> values(count);
    device_.memory().host_read(values.data(), reinterpret_cast<void*>(addresses_.at(buffer)),
                               count * sizeof(T));
    return values;
  }

  Device& device() { return device_; }
  const Counters& counters() { return device_.counters()["test"]; }
  const Kernel& kernel() { return device_.kernel("test"); }

 private:
  Device device_;
  std::vector<std::uint64_t> addresses_;
};

/// The message of the Unsupported that these statements are refused with, or "none".
std::string refusal(const std::string& statements, const std::string& declarations = "");

/// How a Fault of the kernel `test` begins.
std::string fault_at(int block, int thread, const std::string& statement);

/// Statements that set %d0 to the address of element %tid of a buffer.
std::string element_address(const std::string& buffer, std::size_t bytes);

/// A register for `bytes` bytes: %x1, %r1 or %d1 for number 0, and so on.
std::string register_of(std::size_t bytes, std::size_t number);

/// `opcode d, a, b, …`, once for each element of the operands. The types say how large registers
/// are: of 2, 4 or 8 bytes.
template <typename D, typename... Operand>
std::vector<D> compute(const std::string& opcode, const std::vector<Operand>&... operands);

// Implementation.

template <typename D, typename... Operand>
std::vector<D> compute(const std::string& opcode, const std::vector<Operand>&... operands) {
  std::string statements, instruction = opcode + " " + register_of(sizeof(D), 0);
  std::size_t count = 0, buffer = 1;
  const auto load = [&](std::size_t bytes, std::size_t operand_count) {
    const std::string to = register_of(bytes, buffer);
    statements += element_address("%a" + std::to_string(buffer), bytes) + "ld.global.b" +
                  std::to_string(8 * bytes) + " " + to + ", [%d0];\n";
    instruction += ", " + to;
    count = operand_count;
    ++buffer;
  };
  (load(sizeof(Operand), operands.size()), ...);
  Snippet snippet(statements + instruction + ";\n" + element_address("%a0", sizeof(D)) +
                  "st.global.b" + std::to_string(8 * sizeof(D)) + " [%d0], " +
                  register_of(sizeof(D), 0) + ";\n");
  snippet.give_unwritten(count * sizeof(D));
  (snippet.give(operands), ...);
  snippet.run_threads(static_cast<std::uint32_t>(count));
  return snippet.read<D>(0, count);
}

}  // namespace ptx
