// The pages of OGG: libsndfile steps over damaged ones without a word, and reads only the first of
// several streams.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace sparse_transformer {

/// The pages of the first stream: up to the one that ends it, or before the first page of the next.
/// Throws UserError for pages that are damaged or missing, for streams side by side, and for an
/// encoding that libsndfile does not read.
std::span<const std::byte> first_ogg_stream(std::span<const std::byte> bytes,
                                            const std::string& name);

}  // namespace sparse_transformer
