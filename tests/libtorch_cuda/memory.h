// Memory of the device as LibTorch allocates it.
#pragma once

#include <c10/core/Allocator.h>

#include <vector>

namespace libtorch_cuda {

c10::DataPtr allocate(std::size_t bytes);

/// What is allocated from now on stays, even when LibTorch frees it, until it is given back: a
/// graph that is replayed uses it again.
void begin_keeping();
std::vector<void*> end_keeping();
void give_back(const std::vector<void*>& memory);

/// Throws where the bytes are not all of one allocation, as after it was freed.
void expect_allocated(const void* data, std::size_t bytes);
void mark_written(const void* data, std::size_t bytes);
void poison(void* data, std::size_t bytes);

}  // namespace libtorch_cuda
