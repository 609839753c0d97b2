// In place of LibTorch's header of this name: what is allocated while a graph is recorded is the
// graph's (graph.cpp).
#pragma once

#include <c10/core/Allocator.h>

namespace c10::cuda::CUDACachingAllocator {

inline void emptyCache() {}
inline void endAllocateToPool(DeviceIndex /*device*/, MempoolId_t /*pool*/) {}
inline void releasePool(DeviceIndex /*device*/, MempoolId_t /*pool*/) {}

}  // namespace c10::cuda::CUDACachingAllocator
