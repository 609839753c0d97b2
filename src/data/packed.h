// A data set packed once into one safetensors file, so that training only maps it.
//
//     train, valid, test     uint8, [items, tokens an item], or [bytes] for a stream
//     train.parts …          int64, where in `train` each recording or score begins; streams of
//                            sound and scores only
//     metadata (strings)     sparse_transformer.data   "1": the version of this layout
//                            kind                      "bytes", "picture", "sound" or "score"
//                            shape                     pictures: "[height, width, channels]"
//                            sample_rate               sound: tokens a second, "4000"
//                            voices                    scores: tokens a time step, "4"
//                            steps_per_beat            scores: time steps a quarter note, "4"
//                            drums                     scores: "keep" where drums are notes
//                            source                    what was packed, for people
//
// In Python: safetensors.numpy.load_file(path)["train"].
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "data/data_settings.h"
#include "data/token_data.h"

namespace sparse_transformer {

/// Maps a packed file. Throws UserError naming the file when it is damaged or no packed data set,
/// SettingError when settings.path is not one file or settings.shape is not the file's.
DataSet open_packed(const DataSettings& settings);

/// Writes a data set as such a file, in a few MiB of memory. `progress` is told the tokens written
/// so far, of the total. Throws WorldError (disk full), UserError (no permission, no folder).
void pack_data(const DataSet& data, const std::filesystem::path& path,
               const std::function<void(std::int64_t done, std::int64_t total)>& progress);

}  // namespace sparse_transformer
