// The pages of OGG: libsndfile steps over damaged ones without a word, and reads only the first of
// several streams.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace sparse_transformer {

struct OggStream {
  std::span<const std::byte> bytes;
  std::vector<std::byte> end;         // what the last page should be, where its mark is missing
  std::vector<std::string> warnings;  // of this
};

/// The pages of the first stream: up to the one that ends it, or before the first page of the next.
/// Throws UserError for pages that are damaged, missing or cut off, for streams side by side, and
/// for an encoding that libsndfile does not read.
OggStream first_ogg_stream(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
