// Samples on the way: the same seeds each time, so that the files of a run can be compared.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/token_data.h"
#include "model/transformer.h"
#include "training/run_folder.h"
#include "training/settings.h"

namespace sparse_transformer {

/// Draws training.sample_count samples and writes them into the run's folder: as a file of their
/// kind, and where that is no picture, but can be drawn, as one too; returns the former. Pictures
/// of all steps are put on the run's contact sheet (contact_sheet.h). Throws Interrupted.
std::filesystem::path write_preview(const Transformer& model, const Settings& settings,
                                    const TokenFormat& format, const RunFolder& run,
                                    std::int64_t step);

/// The first training sequences of the run, as a file of samples in its folder: what samples should
/// come to look or sound like. Returns samples/training.EXTENSION.
std::filesystem::path write_training_examples(const Settings& settings, const DataSet& data,
                                              const RunFolder& run);

/// What the first of them begins with, in one line: "the text …", or "the tokens 34 35 …" of a
/// picture or sound.
std::string beginning_of_first_example(const Settings& settings, const DataSet& data);

}  // namespace sparse_transformer
