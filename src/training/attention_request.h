// What `attention` was asked for.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "generation/attention_trace.h"

namespace sparse_transformer {

struct AttentionRequest {
  std::filesystem::path model;  // a run or checkpoint
  std::filesystem::path out;
  std::vector<std::string> overrides;
  AttentionChoice choice;                      // empty lists: a spread
  std::optional<std::filesystem::path> prime;  // what to read; nothing: the first of validation
  bool overwrite = false;
};

/// Draws what the model's heads attend to while it reads a sequence, and returns the same as a
/// table, a row a map. The sequence is the file `prime` (its first n bytes; a picture whole), or
/// else the first item or n bytes of the validation split of the checkpoint's data. Throws
/// UserError, of what needs no weights before they are read; WorldError, Interrupted.
std::string run_attention(const AttentionRequest& request);

}  // namespace sparse_transformer
