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

/// Opens the config's data and packs them. Throws UserError where the output exists already or
/// is among the data, WorldError.
void run_preparation(const PrepareRequest& request);

}  // namespace sparse_transformer
