// The data source `midi`: scores as grids of time steps × voices (score_grid.h), each file a part.
#pragma once

#include "data/data_settings.h"

namespace sparse_transformer {

/// Standard MIDI Files, at data.midi.steps_per_beat and with data.midi.voices. Throws as
/// open_data() does.
DataSet open_midi(const DataSettings& settings, const DataProgress& progress);

}  // namespace sparse_transformer
