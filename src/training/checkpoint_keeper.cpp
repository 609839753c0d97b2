#include "training/checkpoint_keeper.h"

#include <algorithm>
#include <ranges>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "files/error_message.h"
#include "files/system_files.h"
#include "runtime/log.h"
#include "training/checkpoint_folder.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

bool is_sound(const KnownCheckpoint& checkpoint) {
  return checkpoint.progress && !checkpoint.progress->watch.is_alarmed();
}

std::optional<fs::path> newest_sound_of(const std::vector<KnownCheckpoint>& all) {
  if (all.empty()) return std::nullopt;
  const auto sound = std::find_if(all.rbegin(), all.rend(), is_sound);
  return sound == all.rend() ? all.back().path : sound->path;
}

}  // namespace

CheckpointKeeper::CheckpointKeeper(fs::path folder, std::string config_yaml, std::int64_t keep)
    : folder_(std::move(folder)), config_yaml_(std::move(config_yaml)), keep_(keep) {}

bool CheckpointKeeper::save(const CheckpointTensors& tensors, const TrainingProgress& progress) {
  try {
    write(tensors, progress);
    last_failed_ = false;
  } catch (const std::runtime_error& error) {
    if (last_failed_) {
      throw WorldError("two saves in a row failed; the last one: " + error_message(error));
    }
    last_failed_ = true;
    log_warning("step " + std::to_string(progress.step) +
                " was not saved: " + error_message(error) +
                (list_checkpoints(folder_).empty() ? "" : "; earlier checkpoints stand") +
                "; training continues");
  }
  return !last_failed_;
}

void CheckpointKeeper::save_last(const CheckpointTensors& tensors,
                                 const TrainingProgress& progress) {
  write(tensors, progress);
}

void CheckpointKeeper::write(const CheckpointTensors& tensors, const TrainingProgress& progress) {
  write_checkpoint(folder_, tensors, progress, config_yaml_);
  drop_old();
  try_or_warn("link", [&] { point_links(folder_); });
}

std::optional<fs::path> CheckpointKeeper::newest_sound() const {
  return newest_sound_of(known_checkpoints(folder_));
}

std::optional<fs::path> CheckpointKeeper::newest_sound_before(std::int64_t failed) const {
  auto all = known_checkpoints(folder_);
  while (all.size() > 1) {
    const auto& progress = all.back().progress;
    const bool is_at_fault = progress && progress->step + 1 == failed && progress->rollbacks > 0;
    if (!is_at_fault) break;
    all.pop_back();
  }
  return newest_sound_of(all);
}
void CheckpointKeeper::drop_after(std::int64_t step) {
  for (const fs::path& checkpoint : list_checkpoints(folder_)) {
    if (checkpoint_step(checkpoint) > step) drop(checkpoint);
  }
  try_or_warn("link", [&] { point_links(folder_); });
}

/// Nothing is dropped before the newest survives a power cut. A checkpoint that cannot be read is
/// neither counted nor dropped: its disk may recover.
void CheckpointKeeper::drop_old() {
  if (!try_or_warn("flush", [&] { flush_folder(folder_); })) return;
  try_or_warn("list", [&] {
    auto all = known_checkpoints(folder_);
    const KnownCheckpoint* best = best_checkpoint(all);
    std::int64_t sound = 0;
    std::int64_t unsound = 0;
    for (const KnownCheckpoint& checkpoint : std::views::reverse(all)) {
      if (!checkpoint.progress) {
        try_or_warn("read", [&] { std::rethrow_exception(checkpoint.problem); });
        continue;
      }
      std::int64_t& newer = is_sound(checkpoint) ? sound : unsound;
      if (++newer > keep_ && &checkpoint != best) drop(checkpoint.path);
    }
  });
}

void CheckpointKeeper::drop(const fs::path& checkpoint) {
  try_or_warn("drop", [&] { remove_checkpoint(checkpoint); });
}

/// Runs an action that a run does not need to be whole. Returns whether it succeeded.
template <typename Action>
bool CheckpointKeeper::try_or_warn(const std::string& kind, const Action& action) {
  try {
    action();
    return true;
  } catch (const std::runtime_error& error) {
    if (warned_.insert(kind).second) {
      log_warning(error_message(error) + "; the checkpoints are saved, training continues");
    }
    return false;
  }
}

}  // namespace sparse_transformer
