// Samples on the way: the same seeds each time, so that the files of a run can be compared.
#pragma once

#include <cstdint>
#include <filesystem>

#include "data/token_data.h"
#include "model/transformer.h"
#include "training/run_folder.h"
#include "training/settings.h"

namespace sparse_transformer {

/// Draws training.sample_count samples and writes them into the run's folder; returns the file. Throws Interrupted.
std::filesystem::path write_preview(const Transformer& model, const Settings& settings,
                                    const TokenFormat& format, const RunFolder& run,
                                    std::int64_t step);

}  // namespace sparse_transformer
