// All settings of the program.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "config/config.h"
#include "data/data_settings.h"
#include "model/model_settings.h"
#include "training/training_settings.h"

namespace sparse_transformer {

/// Bytes of a run's config.yaml at most: the rows of a layout are in it.
inline constexpr std::size_t kMostSettingsBytes = std::size_t{64} << 20U;

struct Settings {
  DataSettings data;
  ModelSettings model;
  TrainingSettings training;
  void describe(FieldVisitor& visit);
};

/// The settings of a config, with what follows from others filled in. Opens no data. Throws
/// UserError with file:line.
Settings read_settings(const Config& config);

/// The config of `paths`: config files, or else one folder, a run or a checkpoint, whose
/// config.yaml is read. Throws UserError.
Config open_config(const std::vector<std::string>& paths,
                   const std::vector<std::string>& overrides);

/// Opens the data of settings that were read from this config. Throws UserError, with file:line
/// where a setting is at fault.
DataSet open_data(const Settings& settings, const Config& config);

/// What the model of resolved settings sees.
SequenceLayout sequence_layout(const Settings& settings);

}  // namespace sparse_transformer
