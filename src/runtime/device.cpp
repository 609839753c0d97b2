#include "runtime/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <torch/headeronly/version.h>

#include <array>
#include <cstdlib>
#include <fstream>

#include "config/errors.h"

namespace sparse_transformer {

namespace {

std::string processor_name() {
  std::ifstream information("/proc/cpuinfo");
  for (std::string line; std::getline(information, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

// Asked of the driver, because LibTorch's own call needs the CUDA toolkit's headers to compile. The
// driver counts the devices as the CUDA runtime does, CUDA_VISIBLE_DEVICES included.
std::string gpu_name(int index) {
  using Initialise = int (*)(unsigned);
  using Name = int (*)(char*, int, int);
  std::array<char, 256> name = {};
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (driver == nullptr) return "unknown";
  const auto initialise = reinterpret_cast<Initialise>(dlsym(driver, "cuInit"));
  const auto device_name = reinterpret_cast<Name>(dlsym(driver, "cuDeviceGetName"));
  const bool known = initialise != nullptr && device_name != nullptr && initialise(0) == 0 &&
                     device_name(name.data(), name.size(), index) == 0;
  dlclose(driver);
  return known ? name.data() : "unknown";
}

}  // namespace

bool multiplies_bfloat16() {
#if defined(__x86_64__)
  // What oneDNN asks for before it computes in bfloat16.
  return __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0;
#else
  return true;
#endif
}

bool built_with_cuda() { return at::detail::getCUDAHooks().hasCUDART(); }

at::Device choose_device(DeviceChoice choice, int index) {
  const int devices = at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
  if (choice == DeviceChoice::kCpu || (choice == DeviceChoice::kAuto && devices == 0)) {
    return at::kCPU;
  }
  const std::string refusal = "device: cuda asked for, but ";
  if (!built_with_cuda()) {
    throw UserError(
        refusal +
        "this program was built without CUDA (build the preset cuda, or use device: cpu)");
  }
  if (index >= devices) {
    throw UserError(refusal +
                    (devices == 0 ? "no usable GPU was found"
                                  : "GPU number " + std::to_string(index) + " is not there") +
                    " (see nvidia-smi and CUDA_VISIBLE_DEVICES, or use device: cpu)");
  }
  return {at::kCUDA, static_cast<at::DeviceIndex>(index)};
}

void take_repeatable_kernels(bool repeatable) {
  // cuBLAS repeats only with a workspace of fixed size, and asks for it in the environment.
  if (repeatable) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*replace=*/0);
  at::Context& context = at::globalContext();
  context.setDeterministicAlgorithms(repeatable, /*warn_only=*/true);
  // Else memory that is about to be written would first be filled with NaN.
  context.setDeterministicFillUninitializedMemory(false);
}

void sum_products_in_float32() {
  at::globalContext().setAllowBF16ReductionCuBLAS(/*allow_reduced_precision=*/false);
  at::globalContext().setAllowFP16ReductionCuBLAS(/*allow_reduced_precision=*/false);
}

at::Device choose_training_device(DeviceChoice choice, bool repeatable) {
  const at::Device device = choose_device(choice);
  if (device.is_cuda()) {
    take_repeatable_kernels(repeatable);
    sum_products_in_float32();
  }
  return device;
}

std::map<std::string, std::string> describe_machine(at::Device device) {
  std::map<std::string, std::string> machine = {
      {"processor", processor_name()},
      {"instructions", at::get_cpu_capability()},
      {"threads", std::to_string(at::get_num_threads())},
      {"libtorch", TORCH_VERSION},
  };
  if (device.is_cuda()) machine["gpu"] = gpu_name(device.index());
  return machine;
}

std::string machine_difference(const std::map<std::string, std::string>& before,
                               const std::map<std::string, std::string>& now) {
  const auto value = [](const auto& machine, const std::string& key) {
    const auto found = machine.find(key);
    return found == machine.end() ? "none" : found->second;
  };
  std::map<std::string, std::string> keys = before;
  keys.insert(now.begin(), now.end());
  std::string differences;
  for (const auto& [key, unused] : keys) {
    if (value(before, key) == value(now, key)) continue;
    if (!differences.empty()) differences += "; ";
    differences += key + ": " + value(before, key) + ", now " + value(now, key);
  }
  return differences;
}

}  // namespace sparse_transformer
