#include "training/checkpoint_keeper.h"

#include "config/errors.h"
#include "runtime/log.h"
#include "training/run_folder.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

CheckpointKeeper::CheckpointKeeper(fs::path folder, std::string config_yaml, std::int64_t keep)
    : folder_(std::move(folder)), config_yaml_(std::move(config_yaml)), keep_(keep) {
  if (!fs::is_directory(folder_)) return;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename().string().starts_with(".tmp-step-")) fs::remove_all(entry.path());
  }
}

void CheckpointKeeper::save(const CheckpointTensors& tensors, const TrainingProgress& progress) {
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
}

void CheckpointKeeper::save_last(const CheckpointTensors& tensors,
                                 const TrainingProgress& progress) {
  write(tensors, progress);
}

void CheckpointKeeper::write(const CheckpointTensors& tensors, const TrainingProgress& progress) {
  const fs::path written = write_checkpoint(folder_, tensors, progress, config_yaml_);
  point_link(folder_ / "latest", written.filename());
  if (progress.best_bits && progress.best_step == progress.step) {
    point_link(folder_ / "best", written.filename());
  }
  drop_old(progress.best_step);
}

void CheckpointKeeper::drop_old(std::int64_t best_step) const {
  const auto all = list_checkpoints(folder_);
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep_) < all.size(); ++i) {
    if (checkpoint_step(all[i]) != best_step) fs::remove_all(all[i]);
  }
}

}  // namespace sparse_transformer
