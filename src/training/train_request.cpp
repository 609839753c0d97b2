#include "training/train_request.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "config/errors.h"
#include "data/codec.h"
#include "files/atomic_file.h"
#include "model/size.h"
#include "runtime/device.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/stop.h"
#include "training/checkpoint.h"
#include "training/preview.h"
#include "training/run_folder.h"
#include "training/trainer.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCommand = "sparse-transformer ";

/// Settings that a resumed run may change: they move no weight but the last rounding of one.
bool is_free_to_change(const std::string& key) {
  constexpr std::array<std::string_view, 12> free = {
      "training.steps",        "training.epochs",
      "training.device",       "training.micro_batch",
      "training.log_every",    "training.evaluate_every",
      "training.sample_every", "training.evaluate_examples",
      "training.sample_count", "training.checkpoint_every",
      "training.keep",         "data.path"};
  return std::find(free.begin(), free.end(), key) != free.end();
}

Settings settings_of_run(const RunFolder& run, const std::vector<std::string>& overrides) {
  return read_settings(
      Config::from_text(read_file(run.config()), run.config().string(), overrides));
}

/// The settings that a run goes on with. Throws UserError with every difference that is not
/// allowed.
Settings resumed_settings(const TrainRequest& request, const RunFolder& run) {
  const Settings before = settings_of_run(run, {});
  const Settings after = request.files.empty()
                             ? settings_of_run(run, request.overrides)
                             : read_settings(Config(request.files, request.overrides));
  std::string refused;
  for (const SettingDifference& difference : settings_differences(before, after)) {
    if (is_free_to_change(difference.key)) continue;
    refused += (refused.empty() ? "" : "; ") + difference.key + " is " + difference.before +
               " in the run, " + difference.after + " now";
  }
  if (!refused.empty()) {
    throw UserError(run.path().string() + ": a resumed run keeps its settings: " + refused +
                    " (start a new run with --init-from instead)");
  }
  return after;
}

/// The newest checkpoint, whole; nothing where there is none. Throws UserError that offers the one
/// before a damaged one.
std::optional<Checkpoint> checkpoint_to_resume(const RunFolder& run) {
  const auto all = list_checkpoints(run.checkpoints());
  if (all.empty()) return std::nullopt;
  try {
    return Checkpoint(all.back());
  } catch (const UserError& error) {
    const std::string before = all.size() > 1
                                   ? "; the one before it is " + all[all.size() - 2].string() +
                                         ": move the damaged folder away to go on from there"
                                   : "; it is the only one";
    throw UserError(error.what() + before);
  }
}

void log_size(const Settings& settings) {
  const ModelSize size =
      model_size(settings.model, sequence_layout(settings), settings.training.sequences_at_a_time(),
                 settings.training.average > 0.0);
  log_info(format_count(size.parameters) + " parameters, " + format_bytes(size.memory_bytes()) +
           " for a training step, " + format_fixed(size.attention_pairs_per_query, 1) +
           " keys a query");
}

void warn_of_patterns(const Settings& settings) {
  const std::int64_t n = settings.data.sequence_length();
  const auto patterns =
      layer_patterns(settings.model.attention, settings.model.layers, settings.model.heads);
  std::int64_t empty = 0;
  for (const LayerPattern& pattern : patterns) {
    empty = std::max(empty, count_empty_queries(pattern, n));
  }
  if (empty > 0) {
    log_warning(format_count(empty) + " of " + format_count(n) +
                " positions have no key in some head; they get nothing from its attention");
  }
  if (!connects_first_to_last(patterns, n)) {
    log_warning(
        "the layers never connect the first position to the last: what is far back cannot "
        "be learned (see `sparse-transformer pattern`)");
  }
}

void log_what_next(const RunFolder& run, const TokenFormat& format) {
  const std::string path = run.path().string();
  log_info("sample:   " + (kCommand + ("sample " + path)) + " --out samples" +
           std::string(sample_extension(format)) + " --count 16");
  log_info("evaluate: " + (kCommand + ("evaluate " + path)));
  log_info("resume:   " + (kCommand + ("train --run " + path)) + " --resume");
}

RunFolder folder_of(const TrainRequest& request) {
  if (request.run) return RunFolder(*request.run);
  if (request.resume) {
    const fs::path latest = fs::path("runs") / "latest";
    if (!fs::exists(latest)) {
      throw UserError("--resume: there is no runs/latest; name the run's folder with --run");
    }
    return RunFolder(latest.parent_path() / fs::read_symlink(latest));
  }
  return RunFolder(default_run_folder(request.files.back()));
}

void log_how_to_extend(const RunFolder& run, const TrainingSettings& training,
                       const Checkpoint& last) {
  const std::int64_t step = last.progress().step;
  const std::string longer = training.epochs ? "epochs=" + std::to_string(2 * *training.epochs)
                                             : "steps=" + std::to_string(2 * step);
  log_info(run.path().string() + " is finished at step " + format_count(step) + "; to extend it: " +
           kCommand + "train --run " + run.path().string() + " --resume --set training." + longer);
}

/// What the terminal hears of a run's end, the run's log hears too.
void train_and_log_end(Trainer& trainer, const RunFolder& run, const TokenFormat& format) {
  try {
    trainer.train();
    log_what_next(run, format);
  } catch (const Interrupted&) {
    if (run.newest_checkpoint()) log_what_next(run, format);
    throw;
  } catch (const std::exception& error) {
    log_to_file(error.what());
    throw;
  }
}

void check_request(const TrainRequest& request) {
  if (request.files.empty() && !request.resume) {
    throw UserError(
        "train: no CONFIG is given; try: sparse-transformer train configs/quickstart.yaml");
  }
  if (request.resume && request.init_from) {
    throw UserError("--init-from starts a new run; it cannot be given with --resume");
  }
}

}  // namespace

void run_training(const TrainRequest& request) {
  check_request(request);
  const StopSignals stop_signals;
  const RunFolder run = folder_of(request);
  const bool goes_on = request.resume && run.is_run();
  if (request.resume && !goes_on && request.files.empty()) {
    throw UserError(run.path().string() +
                    ": there is no run to resume; give a CONFIG to start one");
  }
  if (!goes_on) run.check_is_free();
  const Settings settings = goes_on ? resumed_settings(request, run)
                                    : read_settings(Config(request.files, request.overrides));
  const DataSet data = open_data(settings.data);
  Trainer trainer(settings, data, run);
  const auto checkpoint = goes_on ? checkpoint_to_resume(run) : std::nullopt;
  if (checkpoint) {
    trainer.resume(*checkpoint);
    if (trainer.is_finished()) return log_how_to_extend(run, settings.training, *checkpoint);
  }
  if (request.init_from) {
    trainer.start_from(Checkpoint(find_checkpoint(*request.init_from, /*best=*/true)));
  }

  // Whatever the user got wrong has been said by now: only here does the folder change.
  if (goes_on) {
    write_file(run.config(), resolved_yaml(settings));
  } else {
    run.create(resolved_yaml(settings));
  }
  const LogFile log_file(run.log());
  log_info("run " + run.path().string() + ", data " + data.source);
  log_size(settings);
  warn_of_patterns(settings);
  if (checkpoint) log_info("going on from " + checkpoint->folder().string());
  if (!checkpoint) write_training_examples(settings, data, run);
  train_and_log_end(trainer, run, data.format);
}

std::string dry_run(const TrainRequest& request) {
  check_request(request);
  const Settings settings = request.resume
                                ? resumed_settings(request, folder_of(request))
                                : read_settings(Config(request.files, request.overrides));
  const DataSet data = open_data(settings.data);
  log_size(settings);
  warn_of_patterns(settings);
  log_info(format_count(total_steps(settings, data)) + " steps of " +
           format_count(settings.training.batch) + " sequences on " +
           choose_device(settings.training.device).str());
  const fs::path batch =
      fs::temp_directory_path() / ("sparse-transformer-batch-" + std::to_string(::getpid()) +
                                   std::string(sample_extension(data.format)));
  write_first_batch(settings, data, batch);
  log_info("a batch of the data: " + batch.string());
  return resolved_yaml(settings);
}

}  // namespace sparse_transformer
