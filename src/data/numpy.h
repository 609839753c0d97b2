// Pictures as arrays of NumPy: .npy and .npz files.
#pragma once

#include "data/data_settings.h"
#include "data/token_data.h"

namespace sparse_transformer {

/// The uint8 arrays (C order) that settings.path names, mapped, as pictures of settings.shape
/// [H, W, C], N of each array:
///
///     [N, H, W, C]     pixel by pixel; with one channel also [N, H, W]
///     [N, C, H, W]     plane by plane; where both fit, as [N, H, W, C]
///     [N, H·W·C]       rows, as settings.numpy.layout says; `auto`: plane by plane for the array
///                      `data` of an archive that also has `labels`, as ImageNet-32 and -64 are
///                      distributed (Chrabaszcz et al. 2017), else pixel by pixel
///
/// Of an archive (.npz) it takes the array `data`, else the only one that fits; it is expanded into
/// $TMPDIR first. What is no such array is skipped or stops it as settings.damaged says. Items are
/// dealt to the splits by content, or the splits have paths of their own. Throws UserError naming
/// the file, or of there being none; SettingError where the shape is missing.
DataSet open_numpy(const DataSettings& settings, const DataProgress& progress);

}  // namespace sparse_transformer
