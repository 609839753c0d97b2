#include "training/tensor_file.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "config/errors.h"
#include "config/scalars.h"

namespace sparse_transformer {
namespace {

ElementType element_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return ElementType::kFloat32;
    case at::kDouble:
      return ElementType::kFloat64;
    case at::kBFloat16:
      return ElementType::kBfloat16;
    case at::kHalf:
      return ElementType::kFloat16;
    default:
      throw std::logic_error(std::string("write_tensors: no element type for ") +
                             at::toString(tensor.scalar_type()));
  }
}

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

}  // namespace

void write_tensors(const std::filesystem::path& path, const NamedTensors& tensors,
                   const Metadata& metadata) {
  std::vector<TensorToStore> stored;
  for (const NamedTensor& named : tensors) {
    stored.push_back(
        {.name = named.name,
         .type = element_type(named.tensor),
         .shape = named.tensor.sizes().vec(),
         .write = [&tensor = named.tensor](const auto& sink) {
           const at::Tensor dense = tensor.detach().cpu().contiguous();
           sink({static_cast<const std::byte*>(dense.const_data_ptr()), dense.nbytes()});
         }});
  }
  write_safetensors(path, stored, metadata);
}

void read_tensors(const std::filesystem::path& path, const NamedTensors& tensors) {
  const at::NoGradGuard no_grad;
  const SafetensorsFile file(path);
  const std::string where = path.string() + ": ";
  for (const NamedTensor& named : tensors) {
    const std::string& name = named.name;
    const at::Tensor& tensor = named.tensor;
    const StoredTensor& stored = file.tensor(name);
    if (stored.shape != tensor.sizes().vec()) {
      throw UserError(where + "tensor " + name + " has the shape " +
                      one_line(shape_text(stored.shape)) + ", the model's is " +
                      shape_text(tensor.sizes()));
    }
    if (stored.type != element_type(tensor)) {
      throw UserError(where + "tensor " + name + " has another element type than the model's");
    }
    const at::Tensor read = at::empty(tensor.sizes(), tensor.scalar_type());
    file.file().read(stored.bytes,
                     {static_cast<std::byte*>(read.mutable_data_ptr()), read.nbytes()});
    tensor.copy_(read);
  }
  if (file.tensors().size() != tensors.size()) {
    throw UserError(where + std::to_string(file.tensors().size()) + " tensors, the model has " +
                    std::to_string(tensors.size()));
  }
}

}  // namespace sparse_transformer
