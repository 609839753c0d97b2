// Where a command writes what it makes.
#pragma once

#include <filesystem>
#include <vector>

#include "files/png.h"

namespace sparse_transformer {

/// Throws UserError, before any work is done, where the file cannot be written: it exists and
/// `overwrite` is false, the folder is not there or is not ours.
void check_output(const std::filesystem::path& path, bool overwrite);
/// The same for several files in one folder. Temporary files that a killed process left in the
/// folder are removed.
void check_outputs(const std::vector<std::filesystem::path>& paths, bool overwrite);

/// The same for a picture, whose name must end in .png.
void check_picture_output(const std::filesystem::path& path, bool overwrite);

/// Whether the path is that folder or file, or lies in it. Symbolic links are followed; what is not
/// there yet may be named.
bool is_within(const std::filesystem::path& path, const std::filesystem::path& folder);

/// Throws UserError where an output would replace one of the inputs, or lies in a folder that is
/// one.
void check_are_no_inputs(const std::vector<std::filesystem::path>& outs,
                         const std::vector<std::filesystem::path>& inputs);

/// Writes it as PNG, whole or not at all, and says so. Throws UserError, WorldError.
void write_picture(const std::filesystem::path& path, const Image& image);

}  // namespace sparse_transformer
