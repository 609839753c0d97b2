// Named tensors to and from safetensors files.
#pragma once

#include <filesystem>

#include "files/safetensors.h"
#include "model/parameters.h"

namespace sparse_transformer {

/// Throws as write_safetensors does.
void write_tensors(const std::filesystem::path& path, const NamedTensors& tensors,
                   const Metadata& metadata);

/// Copies the file's tensors into `tensors`, which must match it name by name, shape by shape.
/// Throws UserError naming the file and the first tensor that is missing, left over, or of another
/// shape or type.
void read_tensors(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace sparse_transformer
