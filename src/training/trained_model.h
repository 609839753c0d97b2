// A model out of a checkpoint, ready to evaluate or sample.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/token_data.h"
#include "model/transformer.h"
#include "training/settings.h"

namespace sparse_transformer {

struct TrainedModel {
  Config config;  // what the settings were read from
  Settings settings;
  std::unique_ptr<Transformer> model;  // none until load_weights
  std::filesystem::path checkpoint;
  std::int64_t step = 0;
  TokenFormat format;
  std::string data_hash;  // of what it was trained on
  bool averaged = false;  // the model has the averaged weights, where the run kept them

  /// "model" or "average".
  std::string weights() const { return averaged ? "average" : "model"; }
};

/// `named`: a run folder (its best checkpoint, or the newest where none was evaluated), a
/// checkpoint, or a file in one. `overrides` change settings of the checkpoint's own config, but
/// not the model's. Only the small files are read, so that what else is wrong with a request can be
/// said at once. Throws UserError.
TrainedModel find_trained_model(const std::filesystem::path& named,
                                const std::vector<std::string>& overrides);

/// Warns where the data are not those that the model was trained on. Whoever names other data with
/// --set is only told; whoever does not may score what was trained on.
void warn_of_other_data(const TrainedModel& trained, const DataSet& data,
                        const std::vector<std::string>& overrides);

/// Verifies the whole checkpoint and reads the model from it. Throws UserError.
void load_weights(TrainedModel& trained);

}  // namespace sparse_transformer
