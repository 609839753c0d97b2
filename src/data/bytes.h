// Any files as they are: one token a byte.
#pragma once

#include "data/data_settings.h"
#include "data/token_data.h"

namespace sparse_transformer {

/// The bytes of all files that settings.path names (folders and archives in sorted order), one
/// after another, mapped in place. Cut in order: training first, then validation, test last; a
/// split with paths of its own is all of those.
///
/// With settings.shape the bytes are pictures of that shape (interleaved channels, raster order),
/// and splits count pictures.
///
/// Throws UserError naming the path: missing, no bytes at all, not a whole number of pictures, or
/// too few for the splits.
DataSet open_bytes(const DataSettings& settings, const DataProgress& progress = {});

}  // namespace sparse_transformer
