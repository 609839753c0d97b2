// The data source `audio`: sound files as a stream of 8-bit µ-law samples, each file a part.
#pragma once

#include "data/data_settings.h"

namespace sparse_transformer {

/// WAV, FLAC, OGG and MP3 files of any rate and number of channels, mixed to one channel and
/// resampled to data.audio.sample_rate. Throws as open_data() does.
DataSet open_audio(const DataSettings& settings, const DataProgress& progress);

}  // namespace sparse_transformer
