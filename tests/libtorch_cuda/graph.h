// What a CUDA graph cannot hold.
#pragma once

#include <string>

namespace libtorch_cuda {

/// What waits for the device cannot be recorded: throws, and the recording fails.
void refuse_while_recording(const std::string& what);

}  // namespace libtorch_cuda
