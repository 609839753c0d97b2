// Where a command writes the picture that it draws.
#pragma once

#include <filesystem>

#include "files/png.h"

namespace sparse_transformer {

/// Throws UserError, before anything is drawn, where the picture cannot be written: the name does
/// not end in .png, the file exists and `overwrite` is false, the folder is not there or is not
/// ours.
void check_picture_output(const std::filesystem::path& path, bool overwrite);

/// Writes it as PNG, whole or not at all, and says so. Throws UserError, WorldError.
void write_picture(const std::filesystem::path& path, const Image& image);

}  // namespace sparse_transformer
