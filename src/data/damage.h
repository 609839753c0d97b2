// The policy for damaged files, for every source that reads several.
#pragma once

#include <optional>
#include <string>

#include "config/errors.h"
#include "data/data_settings.h"

namespace sparse_transformer {

/// Reads a file by `read`. What its UserError says, where the file may be skipped; else that comes
/// through.
template <typename Read>
std::optional<std::string> fault_of(DamagedFiles policy, const Read& read) {
  try {
    read();
    return std::nullopt;
  } catch (const UserError& error) {
    if (policy == DamagedFiles::kStop) throw;
    return error.what();
  }
}

}  // namespace sparse_transformer
