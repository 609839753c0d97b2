#include "app/version.h"

#include "runtime/device.h"

namespace sparse_transformer {

namespace {

std::string cuda_text(const at::Device& device) {
  if (!built_with_cuda()) return "no (built without)";
  return device.is_cuda() ? "yes" : "no (no usable GPU)";
}

}  // namespace

std::string version_text() {
  const at::Device device = choose_device(DeviceChoice::kAuto);
  std::string text = "sparse-transformer " SPARSE_TRANSFORMER_VERSION "\n";
  text += "build: " SPARSE_TRANSFORMER_BUILD_TYPE "\n";
  text += "cuda: " + cuda_text(device) + "\n";
  for (const auto& [name, value] : describe_machine(device)) text += name + ": " + value + "\n";
  return text;
}

}  // namespace sparse_transformer
