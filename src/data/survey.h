// What a data set holds, for people.
#pragma once

#include <array>
#include <cstdint>

#include "data/data_settings.h"
#include "data/token_data.h"

namespace sparse_transformer {

struct SplitSurvey {
  std::int64_t tokens = 0;
  std::int64_t items = 0;     // items or parts; of a plain stream 1, or 0 where it is empty
  std::int64_t repeated = 0;  // items of validation or test that training has too
};

struct DataSurvey {
  std::array<SplitSurvey, 3> splits;  // by Split
  double entropy = 0.0;               // of the training split's single tokens, in bits
};

/// Reads everything once, in a few MiB and 8 bytes an item. `progress` is told the tokens read so
/// far, of all; what it throws comes through.
DataSurvey survey(const DataSet& data, const DataProgress& progress);

}  // namespace sparse_transformer
