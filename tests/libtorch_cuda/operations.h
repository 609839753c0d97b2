// LibTorch's device `cuda:0` on the interpreter (operations.cpp).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace libtorch_cuda {

/// An operation of LibTorch that a GPU would launch a kernel for.
struct Operation {
  std::string name;               // "aten::mm"
  std::vector<std::string> args;  // its tensors: text_of()
};

/// What has been computed on the device since forget_operations().
const std::vector<Operation>& operations();
void forget_operations();
void note_operation(const std::string& name, const std::vector<at::Tensor>& args);

/// "Float[4, 8]".
std::string text_of(const at::Tensor& x);

/// The same memory as the CPU sees it.
at::Tensor on_host(const at::Tensor& x);
/// Writes a value there. `target` is of on_host(), and may be undefined or empty.
void put(const at::Tensor& target, const at::Tensor& value);
/// A copy of the CPU's tensor in memory of the device.
at::Tensor on_device(const at::Tensor& x);

}  // namespace libtorch_cuda
