// The readers of untrusted files, each as a function of some bytes. A reader may refuse its bytes
// with a UserError; whatever else it throws, and whatever a sanitizer sees, is a fault.
//
// With clang each is a program of its own under libFuzzer (scripts/fuzz.sh); the ordinary tests
// give each the files of its corpus.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sparse_transformer {

struct FuzzTarget {
  std::string_view name;  // and the folder of its corpus
  void (*read)(std::span<const std::byte> bytes);
};

std::span<const FuzzTarget> fuzz_targets();

/// Gives the target the bytes; a UserError is as good as a result.
void feed(const FuzzTarget& target, std::span<const std::byte> bytes);

}  // namespace sparse_transformer
