// A long task that shows its progress and can be stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "runtime/progress.h"
#include "runtime/stop.h"

namespace sparse_transformer {

/// What `work` returns, given what it is to tell of its progress: the amount done, of all. Its
/// progress is shown under the title meanwhile, and a signal to stop ends it by Interrupted.
template <typename Work>
auto with_progress(const std::string& title, const Work& work) {
  Progress bar(title);
  return work([&bar](std::int64_t done, std::int64_t total) {
    throw_if_stopped();
    bar.update(done, total);
  });
}

}  // namespace sparse_transformer
