// In place of LibTorch's header of this name.
#pragma once

#include <ATen/core/CachingHostAllocator.h>
