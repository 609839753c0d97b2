// One target as a program of libFuzzer: SPARSE_TRANSFORMER_FUZZ_TARGET is its name.
#include <algorithm>
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace st = sparse_transformer;
  static const auto targets = st::fuzz_targets();
  static const auto target =
      std::find_if(targets.begin(), targets.end(), [](const st::FuzzTarget& candidate) {
        return candidate.name == SPARSE_TRANSFORMER_FUZZ_TARGET;
      });
  st::feed(*target, std::as_bytes(std::span(data, size)));
  return 0;
}
