// Temporary files that a killed process left.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// Every temporary file of a run's folder begins with this.
inline constexpr std::string_view kTemporaryPrefix = ".tmp-";
/// Those of AtomicFile, which may lie in any folder, begin with this:
/// .tmp-sparse-transformer-N-PID.
inline constexpr std::string_view kAtomicFilePrefix = ".tmp-sparse-transformer-";

/// Removes the files and links of a folder whose name begins with `prefix`, except those of a
/// process that is still there: their name ends with its number, or they are locked. What cannot be
/// removed stays.
void remove_leftovers(const std::filesystem::path& folder, std::string_view prefix);

}  // namespace sparse_transformer
