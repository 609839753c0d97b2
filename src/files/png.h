// PNG pictures, in memory. (Reading and writing the file is mapped_file.h's and atomic_file.h's.)
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "files/image.h"

namespace sparse_transformer {

/// A PNG file with `text` as text chunks (UTF-8; keys of 1 to 79 Latin-1 characters, see the PNG
/// specification §11.3.4). The same image gives the same bytes. Throws std::logic_error for an
/// image that does not fit its own shape.
std::vector<std::byte> encode_png(const Image& image,
                                  const std::map<std::string, std::string>& text);

/// Decodes any PNG as 8-bit grey (where it is) or RGB: palettes are looked up, 16 bits rounded to
/// 8, what is transparent is laid on white; ignores colour profiles and gamma. Turned upright by
/// the orientation of its EXIF (a chunk eXIf, or text as ImageMagick writes it) or else of its XMP.
/// `name` is for errors. A file that ends after its pixels, without a chunk IEND, is read if there
/// are `warnings` to tell it. Throws UserError for what is not a whole PNG, has critical chunks
/// that libpng does not know, or is larger than check_picture_size() allows.
Image decode_png(std::span<const std::byte> bytes, const std::string& name,
                 std::vector<std::string>* warnings = nullptr);

/// The text chunks of a PNG, in UTF-8. Throws UserError.
std::map<std::string, std::string> read_png_text(std::span<const std::byte> bytes,
                                                 const std::string& name);

}  // namespace sparse_transformer
