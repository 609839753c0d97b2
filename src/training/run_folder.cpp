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
#include "files/system_files.h"
#include "training/checkpoint.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

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

bool RunFolder::is_run() const { return fs::exists(config()); }

void RunFolder::check_is_run() const {
  if (is_run()) return;
  throw UserError(path_.string() + ": no run: it has no config.yaml; expected a run's folder");
}

std::optional<fs::path> RunFolder::newest_checkpoint() const {
  const auto all = list_checkpoints(checkpoints());
  if (all.empty()) return std::nullopt;
  return all.back();
}

void RunFolder::check_is_free() const {
  if (is_run() || newest_checkpoint()) {
    throw UserError(path_.string() +
                    " holds a run already: go on with it by `sparse-transformer train --run " +
                    path_.string() + " --resume`, or name another folder with --run");
  }
  for (const char* name : {"log.txt", "metrics.jsonl", "samples"}) {
    if (fs::exists(path_ / name)) {
      throw UserError((path_ / name).string() + " exists already; name another folder with --run");
    }
  }
}

void RunFolder::create(const std::string& config_yaml) const {
  check_is_free();
  make_folder(path_);
  write_file(config(), config_yaml);
  const fs::path parent = fs::canonical(path_).parent_path();
  const fs::path latest = parent / "latest";
  const bool is_ours = fs::is_symlink(latest) || !fs::exists(latest);
  if (parent.filename() == "runs" && is_ours) point_link(latest, fs::canonical(path_).filename());
}

fs::path default_run_folder(const fs::path& config_file) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::array<char, 32> stamp{};
  std::strftime(stamp.data(), stamp.size(), "-%Y%m%d-%H%M%S", &local);
  return fs::path("runs") / (config_file.stem().string() + stamp.data());
}

fs::path find_checkpoint(const fs::path& named, bool best) {
  if (!fs::exists(named)) {
    throw UserError(named.string() + ": there is no such run or checkpoint");
  }
  fs::path folder = fs::is_directory(named) ? named : named.parent_path();
  if (fs::exists(folder / "manifest.json")) return folder;
  const fs::path checkpoints = folder / "checkpoints";
  const fs::path link = checkpoints / "best";
  if (best && fs::exists(link)) {
    return fs::is_symlink(link) ? checkpoints / fs::read_symlink(link) : link;
  }
  const auto newest = RunFolder(folder).newest_checkpoint();
  if (!newest) {
    throw UserError(named.string() +
                    ": no checkpoint is there (a run folder has checkpoints/step-…)");
  }
  return *newest;
}

void point_link(const fs::path& link, const fs::path& target) {
  const fs::path temporary = link.string() + ".tmp";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) throw_file_error("link", link, error.value());
}

}  // namespace sparse_transformer
