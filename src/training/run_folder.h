// A run's folder: what is where, and that nothing of an earlier run is overwritten.
//
//     config.yaml  log.txt  metrics.jsonl  events.out.tfevents.*  samples/  checkpoints/{step-…,
//     latest, best}
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
  std::filesystem::path log() const { return path_ / "log.txt"; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  /// samples/step-00001000 with this extension.
  std::filesystem::path samples(std::int64_t step, std::string_view extension) const;
  /// The steps that have samples, ascending: of more than `most` of them so many, evenly spread,
  /// the first and the last among them.
  std::vector<std::int64_t> sampled_steps(std::size_t most) const;

  bool is_run() const;
  /// Throws UserError where it is none.
  void check_is_run() const;
  std::optional<std::filesystem::path> newest_checkpoint() const;

  /// Throws UserError where a new run would overwrite something; where that is a run, it says how
  /// to go on with it.
  void check_is_free() const;
  /// Creates the folder for a new run. In a folder named runs, the link `latest` points at it from
  /// now on.
  void create(const std::string& config_yaml) const;

 private:
  std::filesystem::path path_;
};

/// runs/CONFIG-DATE-TIME for a config file's name.
std::filesystem::path default_run_folder(const std::filesystem::path& config_file);

/// The checkpoint folder that a user means by a run folder, a checkpoint folder or a file in one;
/// of a run the best checkpoint where `best`, else the newest. Throws UserError.
std::filesystem::path find_checkpoint(const std::filesystem::path& named, bool best);

/// Makes `link` a symbolic link to `target` (relative names), replacing an older one at once.
void point_link(const std::filesystem::path& link, const std::filesystem::path& target);

}  // namespace sparse_transformer
