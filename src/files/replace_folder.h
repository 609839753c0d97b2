// A folder that gets its final name when it is whole.
#pragma once

#include <filesystem>

namespace sparse_transformer {

/// Gives `folder` the name `final_path`. A folder that has this name already changes places with it
/// (it is then called `folder`), so that one of them has the name at every moment. On a file system
/// that cannot exchange names the old one is called `aside` for good, and a crash between the two
/// renames leaves both folders whole under their other names. Throws UserError or WorldError; then
/// the old folder has its name, or, where the system does not even allow that, is called `aside`.
void replace_folder(const std::filesystem::path& folder, const std::filesystem::path& final_path,
                    const std::filesystem::path& aside);

/// Renames a folder. Throws UserError or WorldError.
void rename_folder(const std::filesystem::path& from, const std::filesystem::path& to);

/// Removes a folder with all that is in it, or nothing where it is not there. Throws UserError or
/// WorldError.
void remove_folder(const std::filesystem::path& folder);

}  // namespace sparse_transformer
