#include "runtime/out_of_memory.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sparse_transformer {

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  if (dynamic_cast<const std::length_error*>(&error) != nullptr) return true;  // of a container
  // What LibTorch's allocators and CUDA's libraries say.
  constexpr std::array<std::string_view, 4> kSaid = {"out of memory", "can't allocate memory",
                                                     "not enough memory", "STATUS_ALLOC_FAILED"};
  const std::string message = error.what();
  return dynamic_cast<const c10::Error*>(&error) != nullptr &&
         std::any_of(kSaid.begin(), kSaid.end(), [&message](std::string_view said) {
           return message.find(said) != std::string::npos;
         });
}

}  // namespace sparse_transformer
