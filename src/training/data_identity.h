// Whether data are the ones that a checkpoint was made with.
#pragma once

#include <string>

#include "data/token_data.h"

namespace sparse_transformer {

/// DataSet::content_hash() as a task: it shows its progress and throws Interrupted.
std::string hash_of(const DataSet& data);

/// Compares the hash that a checkpoint names with `hash`, that of `data`. For data of 2 GiB or more
/// the checkpoint may be of version 0.1.0, which hashed only a part of them: then says so.
bool are_same_data(const std::string& of_checkpoint, const DataSet& data, const std::string& hash);

}  // namespace sparse_transformer
