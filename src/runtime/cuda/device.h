// CUDA as the host asks for it, without its headers. Launches return CUDA's codes, 0 is no error.
#pragma once

namespace sparse_transformer {

/// Whether this build has code for the current device. The first question about a device wakes it.
bool has_code_for_device();

const char* cuda_error(int code);

}  // namespace sparse_transformer
