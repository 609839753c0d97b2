#include "tests/cuda/ptx/snippet.h"

#include <stdexcept>

#include "tests/cuda/ptx/fault.h"

namespace ptx {
namespace {

constexpr std::size_t kBuffers = 6;

std::string module_text(const std::string& statements, const std::string& declarations) {
  std::string parameters, loads;
  for (std::size_t i = 0; i < kBuffers; ++i) {
    const std::string number = std::to_string(i);
    parameters += (i == 0 ? ".param .u64 buffer" : ", .param .u64 buffer") + number;
    loads += "ld.param.u64 %a" + number + ", [buffer" + number + "];\n";
  }
  return ".version 9.0\n.target sm_90\n" + declarations + "\n.visible .entry test(" + parameters +
         ")\n{\n"
         ".reg .pred %p<16>;\n.reg .b16 %x<32>;\n.reg .b32 %r<64>;\n.reg .b32 %f<32>;\n"
         ".reg .b64 %d<32>;\n.reg .b64 %a<6>;\n.reg .b32 %tid;\n.reg .b32 %cta;\n" +
         loads + "mov.u32 %tid, %tid.x;\nmov.u32 %cta, %ctaid.x;\n" + statements + "\nret;\n}\n";
}

}  // namespace

Snippet::Snippet(const std::string& statements, const std::string& declarations) {
  device_.add_module(module_text(statements, declarations));
}

std::uint64_t Snippet::give_unwritten(std::size_t bytes) {
  addresses_.push_back(reinterpret_cast<std::uint64_t>(device_.memory().allocate(bytes)));
  return addresses_.back();
}

void Snippet::run(const LaunchShape& shape) {
  if (addresses_.size() > kBuffers) throw std::logic_error("too many buffers");
  std::vector<std::uint64_t> addresses = addresses_;
  addresses.resize(kBuffers);
  std::vector<void*> arguments;
  for (std::uint64_t& address : addresses) arguments.push_back(&address);
  device_.launch("test", shape, arguments.data());
}

std::string Snippet::fault(const LaunchShape& shape) {
  try {
    run(shape);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "none";
}

std::string refusal(const std::string& statements, const std::string& declarations) {
  try {
    Snippet(statements, declarations).kernel();
  } catch (const Unsupported& error) {
    return error.what();
  }
  return "none";
}

std::string fault_at(int block, int thread, const std::string& statement) {
  return "kernel test, block " + std::to_string(block) + ", thread " + std::to_string(thread) +
         ", at `" + statement + "`: ";
}

std::string element_address(const std::string& buffer, std::size_t bytes) {
  return "mul.wide.u32 %d0, %tid, " + std::to_string(bytes) + ";\nadd.s64 %d0, %d0, " + buffer +
         ";\n";
}

std::string register_of(std::size_t bytes, std::size_t number) {
  const std::string name = bytes == 2 ? "%x" : bytes == 4 ? "%r" : "%d";
  return name + std::to_string(number + 1);  // %d0 is for addresses
}

}  // namespace ptx
