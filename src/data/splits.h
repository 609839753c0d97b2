// How much of a data set each split takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/data_settings.h"

namespace sparse_transformer {

/// Units (bytes of a stream, or items) of each split; a split given by paths takes 0 of them.
struct SplitCounts {
  std::int64_t train, valid, test;
};

/// Shares used where the settings name none.
struct DefaultShares {
  double valid = 0.05, test = 0.05;
};

/// Divides `total` units: floor(total · share), or the count asked for; training has the rest.
/// Throws SettingError ("data.split.valid" …) for a broken count, UserError naming `source` when
/// more is asked for than there is.
SplitCounts split_counts(const SplitSettings& split, std::int64_t total, const std::string& source,
                         const DefaultShares& shares = {});

/// The paths that are a split of their own; empty where it is a share or a count.
std::vector<std::string> split_paths(const NumberOrPaths& size);

}  // namespace sparse_transformer
