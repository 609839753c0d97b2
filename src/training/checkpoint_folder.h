// The folder of a run's checkpoints:
//
//     step-00001000/           a whole checkpoint (checkpoint.h)
//     latest, best             links to the newest and to the best, for people and scripts: the
//                              program itself does not need them
//     .tmp-step-00001000/      a checkpoint under construction
//     .tmp-replaced-step-…/    the one that it replaces, on file systems that cannot exchange names
//     .tmp-dropped-step-…/     a checkpoint that is being removed
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "training/training_state.h"

namespace sparse_transformer {

/// The checkpoints in a folder, oldest first; nothing where there is no such folder. Unfinished
/// ones and what has another name than step-N are left out. A link of such a name stands for a
/// checkpoint that was moved to another disk: it is read as one, and only the link is ever removed.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);

/// The step in the name of a folder, step-N; nothing for another name.
std::optional<std::int64_t> named_step(const std::filesystem::path& folder);

/// The step of a checkpoint that was listed.
std::int64_t checkpoint_step(const std::filesystem::path& checkpoint);

/// Where the checkpoint of this step belongs.
std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t step);
/// Where it is written.
std::filesystem::path unfinished_path(const std::filesystem::path& folder, std::int64_t step);
/// Where the one of the same step goes that it replaces.
std::filesystem::path replaced_path(const std::filesystem::path& folder, std::int64_t step);

struct KnownCheckpoint {
  std::filesystem::path path;
  std::optional<TrainingProgress> progress;  // nothing where it cannot be read
  std::exception_ptr problem;                // the error, in that case
};

/// The checkpoints in a folder with their states, oldest first. Throws UserError or WorldError
/// where the folder itself cannot be read.
std::vector<KnownCheckpoint> known_checkpoints(const std::filesystem::path& folder);

/// The one with the best validation figure: the newest state says which that is, an older state
/// where that checkpoint is not there. Null where none was evaluated.
const KnownCheckpoint* best_checkpoint(const std::vector<KnownCheckpoint>& checkpoints);

/// Out of sight at once, and then file by file: a checkpoint is whole or not there.
void remove_checkpoint(const std::filesystem::path& checkpoint);

/// Points `latest` at the newest checkpoint of a folder and `best` at the best one. Throws
/// UserError or WorldError.
void point_links(const std::filesystem::path& folder);

/// Makes `link` a symbolic link to `target` (relative names), replacing an older one at once.
/// Throws UserError or WorldError.
void point_link(const std::filesystem::path& link, const std::filesystem::path& target);

/// Finishes what a killed process began: a whole checkpoint that had not got its name yet gets it,
/// half ones are removed, and the links are pointed. What fails is only a warning: what could not
/// be read or named stays.
void finish_interrupted_saves(const std::filesystem::path& folder);

}  // namespace sparse_transformer
