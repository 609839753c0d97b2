// A sequence as people see it: rows of a picture's bytes, or rows of l of a stream.
#pragma once

#include <cstdint>
#include <string>

#include "model/model_settings.h"

namespace sparse_transformer {

struct SequenceGrid {
  explicit SequenceGrid(const SequenceLayout& layout);

  /// "row 19, column 19, green", in pixels of a picture.
  std::string place(std::int64_t t) const;
  /// Of a picture's row, or positions of a stream's.
  std::int64_t pixels() const { return columns / channels; }

  std::int64_t rows, columns;  // in positions
  std::int64_t channels;       // positions a pixel; 1 for a stream
  bool is_picture;
};

}  // namespace sparse_transformer
