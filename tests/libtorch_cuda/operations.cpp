// Tensors on `cuda:0` without a GPU and without LibTorch's CUDA libraries: their memory is the
// interpreter's, our kernels are run by the interpreter, and every operation of LibTorch is carried
// out by its CPU kernel on the same memory.
#include "tests/libtorch_cuda/operations.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "tests/cuda/device.h"
#include "tests/libtorch_cuda/graph.h"
#include "tests/libtorch_cuda/memory.h"

namespace libtorch_cuda {
namespace {

using c10::IValue;
using Stack = std::vector<IValue>;

std::vector<Operation>& mutable_operations() {
  static std::vector<Operation> all;
  return all;
}

at::Tensor with_layout_of(c10::Storage storage, c10::DispatchKey backend,
                          const at::Tensor& layout) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(backend), layout.dtype());
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(layout.sizes(), layout.strides(),
                                                      layout.storage_offset());
  return tensor;
}

bool is_on_device(const at::Tensor& x) { return x.defined() && x.is_cuda(); }

/// Calls visit(tensor) for all tensors of a value.
template <typename Visit>
void for_each_tensor(const IValue& value, const Visit& visit) {
  if (value.isTensor()) visit(value.toTensor());
  if (value.isTensorList()) {
    for (const at::Tensor& x : value.toTensorVector()) visit(x);
  }
  if (value.isOptionalTensorList()) {
    for (const std::optional<at::Tensor>& x : value.toOptionalTensorVector()) {
      if (x) visit(*x);
    }
  }
}

/// The value with change(tensor) in place of each tensor.
template <typename Change>
IValue with_tensors(const IValue& value, const Change& change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& x : value.toTensorVector()) list.push_back(change(x));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& x : value.toOptionalTensorVector()) {
      list.push_back(x ? std::optional(change(*x)) : std::nullopt);
    }
    return list;
  }
  return value;
}

bool is_written(const c10::Argument& argument) {
  return argument.alias_info() != nullptr && argument.alias_info()->isWrite();
}

bool is_view(const c10::FunctionSchema& schema) {
  return std::ranges::any_of(schema.returns(), [](const c10::Argument& result) {
    return result.alias_info() != nullptr && !result.alias_info()->isWrite();
  });
}

/// An operation with its arguments as the CPU takes them, which own nothing of the device.
class HostCall {
 public:
  explicit HostCall(c10::OperatorHandle operation) : operation_(std::move(operation)) {}

  void add(const IValue& argument) {
    arguments_.push_back(argument.isDevice() ? IValue(c10::Device(c10::kCPU)) : argument);
  }
  /// A tensor of an argument, whose memory is the device's.
  void add_memory(const at::Tensor& x) { on_device_.push_back(x); }

  Stack compute() const {
    for (const at::Tensor& x : on_device_) {
      expect_allocated(x.storage().data(), x.storage().nbytes());
    }
    Stack stack = arguments_;
    operation_.callBoxedForDispatchKey(c10::DispatchKey::CPU, stack);
    for (const IValue& written : written_arguments()) {
      const c10::Storage& storage = written.toTensor().storage();
      mark_written(storage.data(), storage.nbytes());
    }
    return stack;
  }

  /// The results for zeros, which have the right sizes, before the arguments are computed.
  Stack of_zeros() const {
    Stack stack;
    for (const IValue& argument : arguments_) {
      stack.push_back(with_tensors(
          argument, [&](const at::Tensor& x) { return has_memory_of(x) ? at::zeros_like(x) : x; }));
    }
    operation_.callBoxedForDispatchKey(c10::DispatchKey::CPU, stack);
    return stack;
  }

  /// The tensors on the device that the operation writes.
  Stack written_arguments() const {
    Stack written;
    for_each_written([&](const at::Tensor& x) {
      if (has_memory_of(x)) written.emplace_back(x);
    });
    return written;
  }

  bool has_results() const { return !operation_.schema().returns().empty(); }

  /// Whether LibTorch gives an argument its size and memory only now.
  bool fills_empty_arguments() const {
    bool fills = false;
    for_each_written([&](const at::Tensor& x) { fills |= x.storage().nbytes() == 0; });
    return fills;
  }

 private:
  template <typename Visit>
  void for_each_written(const Visit& visit) const {
    const auto& arguments = operation_.schema().arguments();
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      if (is_written(arguments[i])) for_each_tensor(arguments_[i], visit);
    }
  }

  bool has_memory_of(const at::Tensor& x) const {
    return std::ranges::any_of(on_device_, [&](const at::Tensor& its) { return its.is_same(x); });
  }

  c10::OperatorHandle operation_;
  Stack arguments_;
  std::vector<at::Tensor> on_device_;
};

/// A call of an operation with tensors of the device.
class Call {
 public:
  Call(const c10::OperatorHandle& operation, const Stack& arguments) : call_(operation) {
    for (const IValue& argument : arguments) {
      call_.add(with_tensors(argument, [&](const at::Tensor& x) {
        device_.push_back(x);
        host_.push_back(on_host(x));
        if (is_on_device(x) && x.storage().nbytes() > 0) call_.add_memory(host_.back());
        return host_.back();
      }));
    }
  }

  /// The tensors among the arguments.
  const std::vector<at::Tensor>& tensors() const { return device_; }
  bool fills_empty_arguments() const { return call_.fills_empty_arguments(); }

  /// Returns the results on the device. An empty argument is where LibTorch has many results put:
  /// it gets memory of the device then.
  Stack run() const {
    const Stack results = call_.compute();
    for (std::size_t i = 0; i < host_.size(); ++i) adopt_resized(device_[i], host_[i]);
    return moved(results);
  }

  /// Keeps the operation for replays. Returns the results, not yet computed.
  Stack record() const {
    const Stack written = call_.written_arguments();
    if (!written.empty()) {
      ptx::Device::instance().carry_out([call = call_] { call.compute(); });
      return call_.has_results() ? moved(written) : Stack{};
    }
    const Stack results = moved(call_.of_zeros());
    const std::vector<at::Tensor> targets = not_computed(results);
    ptx::Device::instance().carry_out([call = call_, targets] {
      auto target = targets.begin();
      for (const IValue& result : call.compute()) {
        for_each_tensor(result, [&](const at::Tensor& x) { put(*target++, x); });
      }
    });
    return results;
  }

 private:
  static void adopt_resized(const at::Tensor& device, const at::Tensor& host) {
    if (!is_on_device(device) || device.storage().nbytes() > 0) return;
    if (host.storage().nbytes() == 0) return;
    const at::Tensor result = on_device(host);
    c10::TensorImpl& tensor = *device.unsafeGetTensorImpl();
    tensor.set_storage_keep_dtype(result.storage());
    tensor.set_sizes_and_strides(result.sizes(), result.strides());
  }

  Stack moved(const Stack& results) const {
    Stack stack;
    for (const IValue& result : results) {
      stack.push_back(with_tensors(result, [&](const at::Tensor& x) { return moved(x); }));
    }
    return stack;
  }

  /// A result that shares memory with an argument does so on the device.
  at::Tensor moved(const at::Tensor& result) const {
    if (!result.defined()) return result;
    for (std::size_t i = 0; i < host_.size(); ++i) {
      if (!is_on_device(device_[i])) continue;
      if (host_[i].is_same(result)) return device_[i];
      if (result.storage().data() != nullptr &&
          host_[i].storage().data() == result.storage().data()) {
        return with_layout_of(device_[i].storage(), c10::DispatchKey::CUDA, result);
      }
    }
    return on_device(result);
  }

  /// The host's views of results, which own nothing.
  static std::vector<at::Tensor> not_computed(const Stack& results) {
    std::vector<at::Tensor> views;
    for (const IValue& result : results) {
      for_each_tensor(result, [&](const at::Tensor& x) {
        if (x.defined()) poison(x.storage().mutable_data(), x.storage().nbytes());
        views.push_back(on_host(x));
      });
    }
    return views;
  }

  HostCall call_;
  std::vector<at::Tensor> device_, host_;  // every tensor among the arguments, in order
};

void run_on_host(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const c10::FunctionSchema& schema = operation.schema();
  const Stack arguments = torch::jit::pop(*stack, schema.arguments().size());
  const Call call(operation, arguments);
  Stack results;
  if (schema.name().starts_with("aten::empty")) {
    results = call.run();
    const at::Tensor& x = results[0].toTensor();
    poison(x.storage().mutable_data(), x.storage().nbytes());
  } else if (is_view(schema)) {
    results = call.run();
  } else {
    note_operation(schema.name(), call.tensors());
    if (!ptx::Device::instance().is_recording()) {
      results = call.run();
    } else if (call.fills_empty_arguments()) {
      call.run();
      results = Call(operation, arguments).record();
    } else {
      results = call.record();
    }
  }
  for (IValue& result : results) stack->push_back(std::move(result));
}

at::Tensor& copy(at::Tensor& to, const at::Tensor& from, bool non_blocking) {
  if (!(to.is_cuda() && from.is_cuda()) && !non_blocking) {
    refuse_while_recording("a copy between host and device");
  }
  note_operation("aten::copy_", {to, from});
  ptx::Device::instance().carry_out(
      [to_host = on_host(to), from_host = on_host(from), is_on_gpu = to.is_cuda()] {
        to_host.copy_(from_host);
        if (is_on_gpu && to_host.storage().nbytes() > 0) {
          mark_written(to_host.storage().data(), to_host.storage().nbytes());
        }
      });
  return to;
}

/// cuBLAS's product of half-precision matrices with a float32 result.
at::Tensor product(const at::Tensor& a, const at::Tensor& b, at::ScalarType type) {
  note_operation("aten::mm", {a, b});
  const at::Tensor result = at::empty({a.size(0), b.size(1)}, a.options().dtype(type));
  ptx::Device::instance().carry_out(
      [target = on_host(result), left = on_host(a), right = on_host(b)] {
        put(target, at::mm(left.to(target.scalar_type()), right.to(target.scalar_type())));
      });
  return result;
}

at::Scalar number(const at::Tensor& x) {
  refuse_while_recording("reading a number");
  return at::_local_scalar_dense(on_host(x));
}

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("copy_", &copy);
  library.impl("mm.dtype", &product);
  library.impl("_local_scalar_dense", &number);
}

}  // namespace

const std::vector<Operation>& operations() { return mutable_operations(); }
void forget_operations() { mutable_operations().clear(); }

void note_operation(const std::string& name, const std::vector<at::Tensor>& args) {
  Operation operation{.name = name, .args = {}};
  for (const at::Tensor& x : args) operation.args.push_back(text_of(x));
  mutable_operations().push_back(std::move(operation));
}

std::string text_of(const at::Tensor& x) {
  if (!x.defined()) return "none";
  std::string sizes;
  for (const std::int64_t size : x.sizes()) {
    sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
  }
  return std::string(c10::toString(x.scalar_type())) + "[" + sizes + "]";
}

at::Tensor on_host(const at::Tensor& x) {
  if (!is_on_device(x)) return x;
  if (x.storage().nbytes() == 0) return at::empty(x.sizes(), x.options().device(at::kCPU));
  const c10::Storage storage(c10::Storage::use_byte_size_t{}, x.storage().nbytes(),
                             c10::DataPtr(x.storage().mutable_data(), c10::kCPU));
  return with_layout_of(storage, c10::DispatchKey::CPU, x);
}

void put(const at::Tensor& target, const at::Tensor& value) {
  if (!target.defined() || target.numel() == 0) return;
  target.copy_(value);
  mark_written(target.storage().data(), target.storage().nbytes());
}

at::Tensor on_device(const at::Tensor& x) {
  const std::size_t bytes = x.storage().nbytes();
  const c10::Storage storage(c10::Storage::use_byte_size_t{}, bytes, allocate(bytes));
  if (bytes > 0) std::memcpy(storage.mutable_data(), x.storage().data(), bytes);
  mark_written(storage.data(), bytes);
  return with_layout_of(storage, c10::DispatchKey::CUDA, x);
}

}  // namespace libtorch_cuda
