// Sums over the steps since the last line of metrics.jsonl. A checkpoint keeps them, so that the
// next line of a resumed run is over the same steps as an uninterrupted run's.
#pragma once

#include <cstdint>
#include <optional>

namespace sparse_transformer {

struct StepSums {
  std::int64_t steps = 0;  // all of them
  std::int64_t taken = 0;  // those whose loss and gradient were finite; any other changed nothing
  double nats = 0.0;       // the losses of the taken steps, added up
  std::optional<double> gradient_norm;  // of the last taken step
  double loss_scale = 1.0;              // of the last step
};

}  // namespace sparse_transformer
