// NumPy's .npy files: one array each. (.npz is a zip of them: open_inputs(), input_files.h.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sparse_transformer {

/// An array as its file has it.
struct NumpyArray {
  std::string type;            // NumPy's word: "|u1" is uint8, "<f4" is float32
  bool fortran_order = false;  // the first index runs fastest, not the last
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // the elements, in the file's memory

  /// Whether the elements are uint8 in C order; then they are exactly as many as the shape says.
  bool is_uint8() const;
  /// "uint8 [60000, 28, 28]", for messages.
  std::string description() const;
};

/// Reads an .npy file of version 1, 2 or 3. `name` is for errors. Throws UserError for what is no
/// whole .npy file, holds other than plain numbers or text (records, Python objects), or has more
/// than 32 dimensions, or more than 2^62 elements.
NumpyArray read_numpy(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
