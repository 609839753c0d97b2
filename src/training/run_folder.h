// A run's folder: what is where, and that nothing of an earlier run is overwritten.
//
//     config.yaml  log.txt  metrics.jsonl  events.out.tfevents.*  samples/
//     checkpoints/  see checkpoint_folder.h
//     lock          who trains in the folder (run_lock.h)
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sparse_transformer {

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.yaml"; }
  /// The file to read the run's settings from: config.yaml, or the newest checkpoint's where the
  /// run's own is gone.
  std::filesystem::path config_to_read() const;
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  /// samples/step-00001000 with this extension.
  std::filesystem::path samples(std::int64_t step, std::string_view extension) const;
  /// The steps that have samples, ascending: of more than `most` of them so many, evenly spread,
  /// the first and the last among them.
  std::vector<std::int64_t> sampled_steps(std::size_t most) const;

  /// It has a config or a checkpoint.
  bool is_run() const;
  /// Throws UserError where it is none.
  void check_is_run() const;
  std::optional<std::filesystem::path> newest_checkpoint() const;

  /// Throws UserError where a new run would overwrite something; where that is a run, it says how
  /// to continue it.
  void check_is_free() const;
  /// Writes the config of a new run. In a folder named runs, the link `latest` points at the run
  /// from now on; a file system without links is only warned of.
  void begin(const std::string& config_yaml) const;
  /// Finishes what a killed process began in the folder and removes what it left. Only for who
  /// holds the run's lock.
  void tidy() const;

 private:
  std::filesystem::path path_;
};

/// runs/CONFIG-DATE-TIME for a config file's name.
std::filesystem::path default_run_folder(const std::filesystem::path& config_file);

/// The run that was begun last in runs/: where the link `latest` points, or, where there is none,
/// the run whose config is newest. Throws UserError where there is no run.
std::filesystem::path latest_run_folder();

/// The checkpoint folder that a user means by a run folder, a checkpoint folder or a file in one;
/// of a run the best checkpoint, or the newest where none was evaluated. Warns of a link, `best` or
/// `latest`, that points to another checkpoint than it says. Throws UserError, and WorldError where
/// the disk fails.
std::filesystem::path find_checkpoint(const std::filesystem::path& named);

}  // namespace sparse_transformer
