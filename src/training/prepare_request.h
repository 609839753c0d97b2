// What `prepare` was asked for: a data set packed once, so that training only maps it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sparse_transformer {

struct PrepareRequest {
  std::vector<std::string> files;
  std::vector<std::string> overrides;
  std::filesystem::path out;
  bool overwrite = false;
};

/// Opens the config's data and packs them. Returns what was packed, as a table for people. Throws
/// UserError where the output exists already or is among the data, WorldError.
std::string run_preparation(const PrepareRequest& request);

}  // namespace sparse_transformer
