// Pictures as a user has them: folders of PNG and JPEG files.
#pragma once

#include "data/data_settings.h"
#include "data/token_data.h"

namespace sparse_transformer {

/// Every PNG and JPEG that settings.path names (folders with all below them, tar and zip archives,
/// single files), decoded as decode_picture() does and made to settings.shape as
/// settings.images.fit says. Tokens are the channels of one pixel after another, row by row. Files
/// that are no picture, or damaged, are skipped or stop it as settings.damaged says. Splits by
/// content (decoding.h), or by paths. Throws as open_decoded() does; SettingError where the shape
/// is missing.
DataSet open_images(const DataSettings& settings, const DataProgress& progress);

}  // namespace sparse_transformer
