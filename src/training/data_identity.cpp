#include "training/data_identity.h"

#include "runtime/log.h"
#include "runtime/task.h"

namespace sparse_transformer {

std::string hash_of(const DataSet& data) {
  return with_progress(
      "hash", [&data](const DataProgress& progress) { return data.content_hash(progress); });
}

bool are_same_data(const std::string& of_checkpoint, const DataSet& data, const std::string& hash) {
  if (of_checkpoint == hash) return true;
  const auto sampled = with_progress("hash", [&data](const DataProgress& progress) {
    return data.sampled_content_hash(progress);
  });
  if (!sampled || *sampled != of_checkpoint) return false;
  log_warning("the checkpoint names a hash of samples of the data, as version 0.1.0 made it: " +
              data.source + " matches it, but only a part was compared");
  return true;
}

}  // namespace sparse_transformer
