// PTX text as kernels that can be run.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/cuda/ptx/kernel.h"

namespace ptx {

/// What nvcc made of one source file.
class Module {
 public:
  explicit Module(const std::string& text);

  /// Mangled.
  std::vector<std::string> kernel_names() const;
  bool has(const std::string& name) const { return entries_.contains(name); }
  /// Decoded when it is asked for the first time. Throws Unsupported.
  const Kernel& kernel(const std::string& name);

 private:
  void add_declarations(const std::string& text);

  std::vector<std::string> shared_;             // declarations outside of kernels
  std::map<std::string, std::string> entries_;  // their texts, by name
  std::map<std::string, std::unique_ptr<Kernel>> kernels_;
};

}  // namespace ptx
