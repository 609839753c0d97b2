#include "runtime/out_of_memory.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace sparse_transformer {
namespace {

/// Whether what `action` throws says that memory ran out.
template <typename Action>
bool runs_out(const Action& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return is_out_of_memory(error);
  }
  ADD_FAILURE() << "nothing is thrown";
  return false;
}

TEST(OutOfMemory, IsSaidByTheStandardLibrary) {
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_TRUE(
      runs_out([] { std::vector<int>().reserve(std::numeric_limits<std::size_t>::max()); }));
}

TEST(OutOfMemory, IsSaidByLibTorch) {
  constexpr std::int64_t kTooMany = std::int64_t{1} << 55;
  EXPECT_TRUE(runs_out([] { at::empty({kTooMany}, at::kByte); }));
  for (const std::string message :
       {"CUDA out of memory. Tried to allocate 2.00 GiB.", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."}) {
    EXPECT_TRUE(runs_out([&message] { TORCH_CHECK(false, message); })) << message;
  }
}

TEST(OutOfMemory, OtherErrorsAreNot) {
  EXPECT_FALSE(runs_out([] { at::zeros({2}) + at::zeros({3}); }));
  EXPECT_FALSE(is_out_of_memory(std::runtime_error("a file named out of memory")));
}

}  // namespace
}  // namespace sparse_transformer
