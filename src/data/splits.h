// How much of a data set each split takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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

/// The items of each split, by their index, ascending.
struct DealtItems {
  std::vector<std::size_t> train, valid, test;
};

/// Deals items to the splits by what they are, given a hash of each item's content: with shares,
/// more items move none of the others to another split, and equal items are never in two splits.
/// settings.seed and the hash give each item a place in [0, 1): validation has the places below its
/// share, test those from 1 - its share on; of a count, that many from the bottom or the top.
/// Throws as split_counts() does.
DealtItems deal_items(const SplitSettings& split, std::span<const std::uint64_t> hashes,
                      const std::string& source);

/// The paths that are a split of their own; empty where it is a share or a count.
std::vector<std::string> split_paths(const NumberOrPaths& size);

/// Throws SettingError where a split has paths, which `source` cannot use.
void refuse_split_paths(const SplitSettings& split, const std::string& source);

}  // namespace sparse_transformer
