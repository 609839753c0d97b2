// Independent work on all cores.
#pragma once

#include <cstddef>
#include <functional>

#include "data/token_data.h"

namespace sparse_transformer {

/// How many threads in_parallel() takes for so many pieces of work: the machine's cores at most.
std::size_t threads_for(std::size_t count);

/// Calls work(thread, index) for each index below `count`, on threads_for(count) threads; which one
/// gets an index is chance. `progress` is told ten times a second, by the calling thread, how many
/// are done. The first exception of `work`, or one of `progress`, ends it early and comes through.
void in_parallel(std::size_t count,
                 const std::function<void(std::size_t thread, std::size_t index)>& work,
                 const DataProgress& progress);

}  // namespace sparse_transformer
