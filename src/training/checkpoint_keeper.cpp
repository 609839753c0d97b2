#include "training/checkpoint_keeper.h"

#include <algorithm>

#include "config/errors.h"
#include "runtime/log.h"
#include "training/run_folder.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

/// Of folders that are no checkpoints yet, or no longer.
constexpr const char* kUnfinished = ".tmp-";

/// Out of sight at once, and then file by file: a checkpoint is whole or not there.
void remove_checkpoint(const fs::path& folder) {
  const fs::path hidden = folder.parent_path() / (kUnfinished + folder.filename().string());
  fs::rename(folder, hidden);
  fs::remove_all(hidden);
}

/// A damaged one is not.
bool is_sound(const fs::path& checkpoint) {
  try {
    return !read_state(checkpoint).progress.watch.is_alarmed();
  } catch (const UserError&) {
    return false;
  }
}

}  // namespace

CheckpointKeeper::CheckpointKeeper(fs::path folder, std::string config_yaml, std::int64_t keep)
    : folder_(std::move(folder)), config_yaml_(std::move(config_yaml)), keep_(keep) {}

void CheckpointKeeper::tidy(std::int64_t best_step) const {
  if (!fs::is_directory(folder_)) return;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename().string().starts_with(kUnfinished)) fs::remove_all(entry.path());
  }
  point_links(best_step);
}

bool CheckpointKeeper::save(const CheckpointTensors& tensors, const TrainingProgress& progress) {
  try {
    write(tensors, progress);
    last_failed_ = false;
  } catch (const std::runtime_error& error) {
    if (last_failed_) {
      throw WorldError("two saves in a row failed; the last one: " + std::string(error.what()));
    }
    last_failed_ = true;
    log_warning("step " + std::to_string(progress.step) + " was not saved: " + error.what() +
                "; earlier checkpoints stand, training goes on");
  }
  return !last_failed_;
}

void CheckpointKeeper::save_last(const CheckpointTensors& tensors,
                                 const TrainingProgress& progress) {
  write(tensors, progress);
}

void CheckpointKeeper::write(const CheckpointTensors& tensors, const TrainingProgress& progress) {
  write_checkpoint(folder_, tensors, progress, config_yaml_);
  point_links(progress.best_step);
  drop_old();
}

void CheckpointKeeper::point_links(std::int64_t best_step) const {
  const auto all = list_checkpoints(folder_);
  if (all.empty()) return;
  point_link(folder_ / "latest", all.back().filename());
  for (const fs::path& checkpoint : all) {
    if (best_step > 0 && checkpoint_step(checkpoint) == best_step) {
      point_link(folder_ / "best", checkpoint.filename());
    }
  }
}

std::optional<fs::path> CheckpointKeeper::newest_sound() const {
  const auto all = list_checkpoints(folder_);
  if (all.empty()) return std::nullopt;
  const auto sound = std::find_if(all.rbegin(), all.rend(), is_sound);
  return sound == all.rend() ? all.back() : *sound;
}

void CheckpointKeeper::drop_after(std::int64_t step, std::int64_t best_step) const {
  for (const fs::path& checkpoint : list_checkpoints(folder_)) {
    if (checkpoint_step(checkpoint) > step) remove_checkpoint(checkpoint);
  }
  if (!fs::exists(folder_ / "best")) fs::remove(folder_ / "best");  // a link to one of them
  point_links(best_step);
}

/// What the link to the best points to is kept: where the save of a better one failed, that is an
/// older one.
void CheckpointKeeper::drop_old() const {
  std::error_code no_best;
  const fs::path best = fs::read_symlink(folder_ / "best", no_best);
  auto all = list_checkpoints(folder_);
  std::reverse(all.begin(), all.end());
  std::int64_t sound = 0;
  std::int64_t unsound = 0;
  for (const fs::path& checkpoint : all) {
    std::int64_t& newer = is_sound(checkpoint) ? sound : unsound;
    if (++newer > keep_ && checkpoint.filename() != best) remove_checkpoint(checkpoint);
  }
}

}  // namespace sparse_transformer
