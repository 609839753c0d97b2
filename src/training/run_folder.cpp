#include "training/run_folder.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <set>
#include <string_view>
#include <system_error>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "files/error_message.h"
#include "files/leftovers.h"
#include "runtime/log.h"
#include "runtime/shell.h"
#include "training/checkpoint_folder.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRuns = "runs";
constexpr const char* kLatest = "latest";

/// The step of a file of samples, "step-00001000.png"; nothing for another file.
std::optional<std::int64_t> step_of(const fs::path& file) {
  constexpr std::string_view kPrefix = "step-";
  const std::string name = file.stem().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto [read, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  return error == std::errc() && read == end ? std::optional(step) : std::nullopt;
}

/// A checkpoint without its manifest is a damaged one.
bool is_checkpoint(const fs::path& folder) {
  return fs::exists(folder / "manifest.json") || fs::exists(folder / "state.json") ||
         named_step(folder);
}

/// Warns where a link of a run does not point where its name says: a killed process could not move
/// it any more.
void warn_of_stale_link(const fs::path& link) {
  std::error_code not_there;
  const fs::path target = fs::read_symlink(link, not_there);
  const std::string name = link.filename().string();
  if (not_there || (name != "best" && name != "latest")) return;
  const auto known = known_checkpoints(link.parent_path());
  if (known.empty()) return;
  const KnownCheckpoint* right = name == "best" ? best_checkpoint(known) : &known.back();
  if (right == nullptr || right->path.filename() == target.filename()) return;
  log_warning(link.string() + " points to " + target.string() + ", but the " +
              (name == "best" ? "best" : "newest") + " checkpoint is " +
              right->path.filename().string() + "; `train --resume` mends the link");
}

}  // namespace

// "runs/first/" is runs/first.
RunFolder::RunFolder(fs::path path)
    : path_(path.has_filename() ? std::move(path) : path.parent_path()) {}

fs::path RunFolder::samples(std::int64_t step, std::string_view extension) const {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "step-%08lld", static_cast<long long>(step));
  return path_ / "samples" / (name.data() + std::string(extension));
}

std::vector<std::int64_t> RunFolder::sampled_steps(std::size_t most) const {
  std::set<std::int64_t> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(path_ / "samples", none)) {
    if (const auto step = step_of(entry.path())) found.insert(*step);
  }
  std::vector<std::int64_t> all(found.begin(), found.end());
  if (all.size() <= most) return all;
  std::vector<std::int64_t> chosen;
  for (std::size_t i = 0; i < most; ++i) chosen.push_back(all[i * (all.size() - 1) / (most - 1)]);
  return chosen;
}

fs::path RunFolder::config_to_read() const {
  const auto newest = newest_checkpoint();
  return fs::exists(config()) || !newest ? config() : *newest / "config.yaml";
}

bool RunFolder::is_run() const { return fs::exists(config()) || newest_checkpoint(); }

void RunFolder::check_is_run() const {
  if (is_run()) return;
  throw UserError((path_.empty() ? "''" : path_.string()) +
                  ": no run: it has no config.yaml; expected a run's folder");
}

std::optional<fs::path> RunFolder::newest_checkpoint() const {
  const auto all = list_checkpoints(checkpoints());
  if (all.empty()) return std::nullopt;
  return all.back();
}

void RunFolder::check_is_free() const {
  if (is_run()) {
    throw UserError(path_.string() + " holds a run already: go on with it by `" +
                    shell_command({"train", "--run", path_argument(path_), "--resume"}) +
                    "`, or name another folder with --run");
  }
  for (const char* name : {"log.txt", "metrics.jsonl", "samples"}) {
    if (fs::exists(path_ / name)) {
      throw UserError((path_ / name).string() + " exists already; name another folder with --run");
    }
  }
}

void RunFolder::begin(const std::string& config_yaml) const {
  write_file(config(), config_yaml);
  const fs::path run = fs::canonical(path_);
  if (run.parent_path().filename() != kRuns) return;
  try {
    remove_leftovers(run.parent_path(), std::string(kTemporaryPrefix) + kLatest + "-");
    point_link(run.parent_path() / kLatest, run.filename());
  } catch (const std::runtime_error& error) {
    log_warning(error_message(error));
  }
}

void RunFolder::tidy() const {
  remove_leftovers(path_, kTemporaryPrefix);
  remove_leftovers(path_ / "samples", kTemporaryPrefix);
  finish_interrupted_saves(checkpoints());
}

fs::path default_run_folder(const fs::path& config_file) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "-%Y%m%d-%H%M%S", &local);
  return fs::path(kRuns) / (config_file.stem().string() + stamp.data());
}

fs::path latest_run_folder() {
  const fs::path link = fs::path(kRuns) / kLatest;
  std::error_code ignored;
  if (fs::is_directory(link, ignored)) {
    return fs::is_symlink(link) ? link.parent_path() / fs::read_symlink(link) : link;
  }
  std::optional<fs::path> latest;
  fs::file_time_type begun;
  for (const auto& entry : fs::directory_iterator(kRuns, ignored)) {
    const auto time = fs::last_write_time(entry.path() / "config.yaml", ignored);
    if (ignored || (latest && time <= begun)) continue;
    latest = entry.path();
    begun = time;
  }
  if (latest) return *latest;
  throw UserError("--resume: there is no runs/latest; name the run's folder with --run");
}

fs::path find_checkpoint(const fs::path& named) {
  if (!fs::exists(named)) {
    throw UserError((named.empty() ? "''" : named.string()) +
                    ": there is no such run or checkpoint");
  }
  fs::path folder = fs::is_directory(named) ? named : named.parent_path();
  if (is_checkpoint(folder)) {
    warn_of_stale_link(folder);
    return folder;
  }
  const fs::path checkpoints = folder / "checkpoints";
  const auto known = known_checkpoints(checkpoints);
  if (known.empty()) {
    throw UserError(named.string() +
                    ": no checkpoint is there (a run folder has checkpoints/step-…)");
  }
  const KnownCheckpoint& newest = known.back();
  if (!newest.progress) std::rethrow_exception(newest.problem);
  const KnownCheckpoint* best = best_checkpoint(known);
  if (best != nullptr) warn_of_stale_link(checkpoints / "best");
  return (best != nullptr ? *best : newest).path;
}

}  // namespace sparse_transformer
