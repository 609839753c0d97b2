// How a run's samples came to look the way they do, on one picture.
#pragma once

#include "training/run_folder.h"

namespace sparse_transformer {

/// Lays the pictures of a run's samples out by step, from left to right and from top to bottom, as
/// samples/steps.png: of more than twelve steps twelve, evenly spread, the newest among them.
void write_contact_sheet(const RunFolder& run);

}  // namespace sparse_transformer
