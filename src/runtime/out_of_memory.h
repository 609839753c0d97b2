// Recognising that memory ran out, whoever says it.
#pragma once

#include <exception>

namespace sparse_transformer {

/// Whether the error says that the memory of the machine or the GPU did not suffice: of the
/// standard library, LibTorch or CUDA.
bool is_out_of_memory(const std::exception& error);

}  // namespace sparse_transformer
