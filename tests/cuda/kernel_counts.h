// What some launches of each kernel family do, as the interpreter counts it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/cuda/ptx/counters.h"

namespace sparse_transformer {

struct CountColumn {
  const char* title;
  std::int64_t ptx::Counters::*count;
};

inline constexpr std::array kCountColumns = {
    CountColumn{"instructions", &ptx::Counters::instructions},
    CountColumn{"mma", &ptx::Counters::tensor_core_products},
    CountColumn{"bytes read", &ptx::Counters::global_read_bytes},
    CountColumn{"sectors read", &ptx::Counters::global_read_sectors},
    CountColumn{"bytes written", &ptx::Counters::global_written_bytes},
    CountColumn{"sectors written", &ptx::Counters::global_written_sectors},
    CountColumn{"shared passes", &ptx::Counters::shared_passes},
    CountColumn{"bank conflicts", &ptx::Counters::bank_conflicts},
    CountColumn{"local", &ptx::Counters::local_accesses}};

/// A number for each column.
using Counts = std::array<std::int64_t, kCountColumns.size()>;

/// Counts what all kernels that `launch` launches do, blocks one after the other.
Counts count_kernels(const std::function<void()>& launch);

struct CountedCase {
  std::string name;
  std::function<Counts()> run;
};
inline void PrintTo(const CountedCase& c, std::ostream* stream) { *stream << c.name; }

/// The paper's attention for one head, forward and backward, and the other kernel families at the
/// widths of the paper's models, in float16.
std::vector<CountedCase> counted_cases();

}  // namespace sparse_transformer
