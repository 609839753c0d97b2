#include "training/checkpoint_folder.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ranges>
#include <string>
#include <string_view>
#include <system_error>

#include "config/errors.h"
#include "files/error_message.h"
#include "files/leftovers.h"
#include "files/replace_folder.h"
#include "files/system_files.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "training/checkpoint.h"

namespace sparse_transformer {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kStep = "step-";
constexpr std::string_view kUnfinished = ".tmp-";
constexpr std::string_view kReplaced = ".tmp-replaced-";
constexpr std::string_view kDropped = ".tmp-dropped-";

fs::path path_of(const fs::path& folder, std::string_view prefix, std::int64_t step) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "step-%08lld", static_cast<long long>(step));
  return folder / (std::string(prefix) + name.data());
}

/// All that is in the folder, in the order of the names.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    entries.push_back(entry->path());
  }
  const bool is_there = error.value() != ENOENT && error.value() != ENOTDIR;
  if (error && is_there) throw_file_error("read", folder, error.value());
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool is_folder_or_link(const fs::path& path) {
  std::error_code unreadable;
  const fs::file_type type = fs::symlink_status(path, unreadable).type();
  return type == fs::file_type::directory || type == fs::file_type::symlink;
}

/// Throws WorldError where the disk cannot tell.
bool is_whole(const fs::path& folder, std::int64_t step) {
  try {
    return Checkpoint(folder).progress().step == step;
  } catch (const UserError&) {
    return false;
  }
}

/// The step of a folder that a killed process may have left whole: .tmp-step-N,
/// .tmp-replaced-step-N.
std::optional<std::int64_t> step_of_unnamed(const fs::path& folder) {
  const std::string name = folder.filename().string();
  for (const std::string_view prefix : {kReplaced, kUnfinished}) {
    if (name.starts_with(prefix)) return named_step(name.substr(prefix.size()));
  }
  return std::nullopt;
}

/// Gives a whole checkpoint its name, where no other has it.
void name_whole_checkpoint(const fs::path& unnamed) {
  const auto step = step_of_unnamed(unnamed);
  if (!step || !is_folder_or_link(unnamed)) return;
  const fs::path named = checkpoint_path(unnamed.parent_path(), *step);
  if (is_folder_or_link(named) || !is_whole(unnamed, *step)) return;
  rename_folder(unnamed, named);
  flush_folder(named.parent_path());
  log_info("step " + format_count(*step) + " was saved, but not named yet: it is now " +
           named.string());
}

/// Runs `action`; a failure is a warning. Returns whether it succeeded.
template <typename Action>
bool try_or_warn(const Action& action) {
  try {
    action();
    return true;
  } catch (const std::runtime_error& error) {
    log_warning(error_message(error));
    return false;
  }
}

}  // namespace

std::vector<fs::path> list_checkpoints(const fs::path& folder) {
  std::vector<fs::path> checkpoints = entries_of(folder);
  std::erase_if(checkpoints,
                [](const fs::path& path) { return !named_step(path) || !is_folder_or_link(path); });
  std::sort(checkpoints.begin(), checkpoints.end(), [](const fs::path& a, const fs::path& b) {
    return checkpoint_step(a) < checkpoint_step(b);
  });
  return checkpoints;
}

std::optional<std::int64_t> named_step(const fs::path& folder) {
  const std::string name = folder.filename().string();
  if (!name.starts_with(kStep)) return std::nullopt;
  const std::string_view digits = std::string_view(name).substr(kStep.size());
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size() && step >= 0;
  return is_number ? std::optional(step) : std::nullopt;
}

std::int64_t checkpoint_step(const fs::path& checkpoint) { return named_step(checkpoint).value(); }

fs::path checkpoint_path(const fs::path& folder, std::int64_t step) {
  return path_of(folder, "", step);
}

fs::path unfinished_path(const fs::path& folder, std::int64_t step) {
  return path_of(folder, kUnfinished, step);
}

fs::path replaced_path(const fs::path& folder, std::int64_t step) {
  return path_of(folder, kReplaced, step);
}

std::vector<KnownCheckpoint> known_checkpoints(const fs::path& folder) {
  std::vector<KnownCheckpoint> known;
  for (const fs::path& path : list_checkpoints(folder)) {
    try {
      known.push_back({path, read_state(path).progress, nullptr});
    } catch (const std::runtime_error&) {
      // A run that is being trained may have dropped it just now.
      if (is_folder_or_link(path)) {
        known.push_back({path, std::nullopt, std::current_exception()});
      }
    }
  }
  return known;
}

const KnownCheckpoint* best_checkpoint(const std::vector<KnownCheckpoint>& checkpoints) {
  for (auto teller = checkpoints.rbegin(); teller != checkpoints.rend(); ++teller) {
    if (!teller->progress || teller->progress->best_step == 0) continue;
    for (const KnownCheckpoint& checkpoint : checkpoints) {
      if (checkpoint_step(checkpoint.path) == teller->progress->best_step) return &checkpoint;
    }
  }
  return nullptr;
}

void remove_checkpoint(const fs::path& checkpoint) {
  const fs::path hidden =
      checkpoint.parent_path() / (std::string(kDropped) + checkpoint.filename().string());
  remove_folder(hidden);
  rename_folder(checkpoint, hidden);
  remove_folder(hidden);
}

void point_links(const fs::path& folder) {
  const auto checkpoints = known_checkpoints(folder);
  if (checkpoints.empty()) return;
  const KnownCheckpoint& newest = checkpoints.back();
  point_link(folder / "latest", newest.path.filename());
  // It tells the best: without it the link stays as it is. Whoever reads it says what is wrong.
  if (!newest.progress) return;
  const fs::path link = folder / "best";
  std::error_code not_there;
  if (const KnownCheckpoint* best = best_checkpoint(checkpoints)) {
    point_link(link, best->path.filename());
  } else if (fs::is_symlink(link, not_there)) {
    fs::remove(link, not_there);  // to a checkpoint that was dropped
  }
}

void point_link(const fs::path& link, const fs::path& target) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(link, error).type();
  if (type != fs::file_type::not_found && type != fs::file_type::symlink) return;  // the user's
  if (fs::read_symlink(link, error) == target) return;
  const fs::path temporary =
      link.parent_path() /
      (std::string(kTemporaryPrefix) + link.filename().string() + "-" + std::to_string(::getpid()));
  fs::remove(temporary, error);
  fs::create_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) throw_file_error("link", link, error.value());
}

void finish_interrupted_saves(const fs::path& folder) {
  try_or_warn([&] {
    // ".tmp-step-…" sorts after ".tmp-replaced-…", but it is the newer one.
    const std::vector<fs::path> entries = entries_of(folder);
    std::vector<fs::path> leftovers;
    for (const fs::path& entry : std::views::reverse(entries)) {
      const bool is_leftover = entry.filename().string().starts_with(kTemporaryPrefix);
      if (!is_leftover) continue;
      if (try_or_warn([&] { name_whole_checkpoint(entry); })) leftovers.push_back(entry);
    }
    for (const fs::path& entry : leftovers) try_or_warn([&] { remove_folder(entry); });
  });
  try_or_warn([&] { point_links(folder); });
}

}  // namespace sparse_transformer
