#include "training/train_request.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "config/errors.h"
#include "config/scalars.h"
#include "data/codec.h"
#include "data/text.h"
#include "files/atomic_file.h"
#include "files/error_message.h"
#include "files/system_files.h"
#include "generation/output_file.h"
#include "model/size.h"
#include "runtime/device.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/out_of_memory.h"
#include "runtime/shell.h"
#include "runtime/stop.h"
#include "training/checkpoint.h"
#include "training/checkpoint_folder.h"
#include "training/data_identity.h"
#include "training/memory_limit.h"
#include "training/preview.h"
#include "training/run_folder.h"
#include "training/run_length.h"
#include "training/run_lock.h"
#include "training/step_review.h"
#include "training/trainer.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

/// Settings that a resumed run may change although the steps that follow are not what they would
/// have been. It is warned of them.
bool is_told(const std::string& key) {
  return key == "training.precision" || key == "training.learning_rate";
}

/// Settings that a resumed run may change: those that are told, those that move weights by rounding
/// alone, and those that say what happens when something goes wrong.
bool is_free_to_change(const std::string& key) {
  constexpr std::array<std::string_view, 17> free = {
      "training.steps",         "training.epochs",
      "training.device",        "training.micro_batch",
      "training.log_every",     "training.evaluate_every",
      "training.sample_every",  "training.evaluate_examples",
      "training.sample_count",  "training.checkpoint_every",
      "training.keep",          "data.path",
      "training.recompute",     "training.non_finite",
      "training.watch",         "training.kernels",
      "data.expected_sequences"};
  return is_told(key) || std::find(free.begin(), free.end(), key) != free.end();
}

Config config_of_run(const RunFolder& run, const std::vector<std::string>& overrides) {
  const fs::path file = run.config_to_read();
  return Config::from_text(read_file(file, kMostSettingsBytes), file.string(), overrides);
}

/// "model.width is 16 in the run, 32 now; …"
std::string in_words(const std::vector<SettingDifference>& differences, const std::string& before,
                     const std::string& after) {
  std::string text;
  for (const auto& [key, old_value, new_value] : differences) {
    text += (text.empty() ? "" : "; ") + key + " is " + old_value + " " + before + ", " +
            new_value + " " + after;
  }
  return text;
}

/// The settings that a run was trained with: those of its newest checkpoint, whose config has a
/// checksum, or of the run's own config where there is no checkpoint.
Settings settings_of(const RunFolder& run) {
  const auto newest = run.newest_checkpoint();
  if (!newest) return read_settings(config_of_run(run, {}));
  try {
    const std::string origin = (*newest / "config.yaml").string();
    return read_settings(Config::from_text(read_state(*newest).config_yaml, origin, {}));
  } catch (const UserError&) {  // checkpoint_to_resume() says what is damaged
    return read_settings(config_of_run(run, {}));
  }
}

/// Throws UserError for a run of version 0.1.0 that learned forms of pictures which have another
/// meaning since: quarter turns went the other way, reversal also turned the channels round. Its
/// config.yaml does not give the settings that came with the change.
void check_forms(const RunFolder& run, const Settings& settings) {
  const AugmentationSettings& augmentation = settings.model.augmentation;
  const bool has_changed = augmentation.rotation || augmentation.reversal;
  if (settings.data.picture_shape().empty() || !has_changed) return;
  if (config_of_run(run, {}).gives("model.augmentation.jigsaw")) return;
  throw UserError(run.path().string() +
                  ": it was trained by version 0.1.0, whose model.augmentation.rotation turned "
                  "pictures the other way and whose reversal turned their channels round, too; it "
                  "can be evaluated and sampled, but not trained further");
}

/// Throws UserError with every difference that a resumed run may not have.
void check_resumable(const RunFolder& run, const Settings& before, const Settings& settings) {
  check_forms(run, settings);
  auto refused = settings_differences(before, settings);
  std::erase_if(refused, [](const auto& difference) { return is_free_to_change(difference.key); });
  if (refused.empty()) return;
  throw UserError(run.path().string() +
                  ": a resumed run keeps its settings: " + in_words(refused, "in the run", "now") +
                  " (start a new run with --init-from instead)");
}

/// The newest checkpoint, whole; nothing where there is none. Throws UserError that offers the one
/// before a damaged one.
std::optional<Checkpoint> checkpoint_to_resume(const RunFolder& run) {
  const auto all = list_checkpoints(run.checkpoints());
  if (all.empty()) return std::nullopt;
  try {
    return Checkpoint(all.back(), throw_if_stopped);
  } catch (const UserError& error) {
    const std::string before = all.size() > 1
                                   ? "; the one before it is " + all[all.size() - 2].string() +
                                         ": move the damaged folder away to go on from there"
                                   : "; it is the only one";
    throw UserError(error.what() + before);
  }
}

/// Settings that give the weights their shapes, beside those of the positions.
bool shapes_weights(const std::string& key) {
  constexpr std::array<std::string_view, 4> keys = {"model.layers", "model.width", "model.qk_ratio",
                                                    "model.feedforward_ratio"};
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// The checkpoint of --init-from. Throws UserError where its weights do not fit, with the settings
/// that they differ by.
Checkpoint checkpoint_to_start_from(const fs::path& named, const Settings& settings) {
  Checkpoint checkpoint(find_checkpoint(named), throw_if_stopped);
  const Settings its = read_settings(Config::from_text(
      checkpoint.config_yaml(), (checkpoint.folder() / "config.yaml").string(), {}));
  const SequenceLayout its_layout = sequence_layout(its);
  const SequenceLayout layout = sequence_layout(settings);
  if (parameter_shapes(its.model, its_layout) == parameter_shapes(settings.model, layout)) {
    return checkpoint;
  }
  auto differences = settings_differences(its, settings);
  std::erase_if(differences, [](const auto& each) { return !shapes_weights(each.key); });
  if (its_layout.axes != layout.axes) {
    differences.push_back(
        {"the grid of positions (data.sequence, data.shape, "
         "model.attention.stride)",
         shape_text(its_layout.axes), shape_text(layout.axes)});
  }
  throw UserError(
      checkpoint.folder().string() +
      ": --init-from needs weights of the same shapes: " + in_words(differences, "there", "here"));
}

void log_size(const Settings& settings, std::int64_t steps) {
  const ModelSize size =
      model_size(settings.model, sequence_layout(settings), settings.training.sequences_at_a_time(),
                 settings.training.average > 0.0, settings.training.computation());
  log_info(format_count(size.parameters) + " parameters, " + format_bytes(size.memory_bytes()) +
           " for a training step, " + format_fixed(size.attention_pairs_per_query, 1) +
           " keys a query, " + format_power(total_flops(settings, size, steps)) +
           " FLOPs to the end");
}

void warn_of_other_count(const DataSettings& data, std::int64_t per_epoch) {
  if (!data.expected_sequences || *data.expected_sequences == per_epoch) return;
  log_warning("data.expected_sequences: " + format_count(*data.expected_sequences) +
              " training sequences are expected, the data have " + format_count(per_epoch));
}

void warn_of_changes(const Checkpoint& newest, const Settings& settings) {
  const Config config = Config::from_text(newest.config_yaml(), newest.folder().string(), {});
  for (const auto& [key, before, after] : settings_differences(read_settings(config), settings)) {
    if (!is_told(key)) continue;
    log_warning(key + " was " + before + " and is " + after +
                " now: the run goes on, but not as it would have");
  }
}

void warn_of_warmup(const TrainingSettings& training, std::int64_t steps) {
  if (training.warmup < steps) return;
  log_warning("training.warmup: " + format_count(training.warmup) + " of " + format_count(steps) +
              " steps: the learning rate rises to the very end; give fewer, such as --set "
              "training.warmup=" +
              std::to_string(steps / 10));
}

/// Whether some layer's summary is of all columns: it sees all that a dense one does then.
bool has_whole_summary(const std::vector<LayerPattern>& layers, const AttentionSettings& settings) {
  const auto is_whole = [&](const Piece& piece) {
    const auto* shared = std::get_if<Shared>(&piece);
    return shared != nullptr && shared->width == *settings.summary &&
           shared->period == *settings.summary;
  };
  return std::any_of(layers.begin(), layers.end(), [&](const LayerPattern& layer) {
    return std::any_of(layer.groups.begin(), layer.groups.end(), [&](const HeadGroup& group) {
      return std::any_of(group.pieces.begin(), group.pieces.end(), is_whole);
    });
  });
}

void warn_of_patterns(const Settings& settings) {
  const std::int64_t n = settings.data.sequence_length();
  const auto patterns =
      layer_patterns(settings.model.attention, settings.model.layers, settings.model.heads, n);
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
  const AttentionSettings& attention = settings.model.attention;
  if (*attention.summary > 1 && has_whole_summary(patterns, attention)) {
    log_warning("model.attention.summary: " + format_count(*attention.summary) + " of " +
                format_count(*attention.summary) +
                " columns of a row: every earlier row is seen whole, as by dense attention; give "
                "fewer, such as --set model.attention.summary=" +
                std::to_string(std::max<std::int64_t>(*attention.summary / 4, 1)));
  }
}

/// The paper's advice (§4.3, 7.2): text has no period that a stride could fit.
void advise_on_text(const AttentionSettings& attention, const TokenFormat& format) {
  const WordLists strided = {{"local"}, {"column"}};  // as resolved settings have it
  if (format.kind != TokenFormat::Kind::kBytes || attention.layers != strided) return;
  log_info(
      "model.attention.layers: strided is for data with a period that the stride fits, such as "
      "pictures and music; for text the paper has fixed: --set model.attention.layers=[fixed]");
}

void log_what_next(const RunFolder& run, const TokenFormat& format) {
  const std::string path = path_argument(run.path());
  const std::string out = "samples" + std::string(sample_extension(format));
  log_info("sample:   " + shell_command({"sample", path, "--out", out, "--count", "16"}));
  log_info("evaluate: " + shell_command({"evaluate", path}));
  log_info("resume:   " + shell_command({"train", "--run", path, "--resume"}));
}

/// Throws UserError where a run is to be resumed, but is not there.
RunFolder folder_of(const TrainRequest& request) {
  if (!request.run && !request.resume) return RunFolder(default_run_folder(request.files.back()));
  const RunFolder run(request.run ? *request.run : latest_run_folder());
  if (request.resume && request.files.empty() && !run.is_run()) {
    throw UserError(run.path().string() +
                    ": there is no run to resume; give a CONFIG to start one");
  }
  return run;
}

std::string resume_command(const RunFolder& run, const std::string& setting) {
  return shell_command({"train", "--run", path_argument(run.path()), "--resume", "--set", setting});
}

void log_how_to_extend(const RunFolder& run, const TrainingSettings& training,
                       const Checkpoint& last) {
  const std::int64_t step = last.progress().step;
  const std::string longer = training.epochs ? "epochs=" + std::to_string(2 * *training.epochs)
                                             : "steps=" + std::to_string(2 * step);
  log_info(run.path().string() + " is finished at step " + format_count(step) +
           "; to extend it: " + resume_command(run, "training." + longer));
}

/// A rate that a diverged run may learn with: half of its own, or the default where that is still
/// far above it.
std::string lower_rate(double rate) {
  constexpr double kFar = 10.0;
  const double standard = TrainingSettings().learning_rate;
  return "training.learning_rate=" + number_text(rate / 2 > kFar * standard ? standard : rate / 2);
}

/// The command that moves checkpoints out of the way of --resume.
std::string move_away_command(const RunFolder& run, const std::vector<fs::path>& checkpoints) {
  const std::string folder = shell_quoted(path_argument(run.path() / "diverged"));
  std::string command = "mkdir " + folder + " && mv";
  for (const fs::path& checkpoint : checkpoints) {
    command += " " + shell_quoted(path_argument(checkpoint));
  }
  return command + " " + folder;
}

/// What helps after a loss that was not finite, at step `first_failed` the first time. That loss is
/// of the weights after the step before, so that a checkpoint of these may be of no use.
std::string advice_after_divergence(const RunFolder& run, const TrainingSettings& training,
                                    std::int64_t first_failed) {
  const std::string rate = lower_rate(training.learning_rate);
  std::vector<fs::path> sound = list_checkpoints(run.checkpoints());
  if (sound.empty()) {
    return ", and no checkpoint is saved yet: begin again with a lower learning rate by `" +
           resume_command(run, rate) + "`, or start another run with a longer training.warmup";
  }
  std::vector<fs::path> at_fault;
  while (!sound.empty() && checkpoint_step(sound.back()) + 1 >= first_failed) {
    at_fault.push_back(sound.back());
    sound.pop_back();
  }
  if (sound.empty()) {
    const std::string again = path_argument(run.path()) + "-again";
    return ", and no checkpoint is from before: start another run with a lower learning rate by `" +
           shell_command({"train", path_argument(run.config()), "--run", again, "--set", rate}) +
           "`, or with a longer training.warmup";
  }
  if (!at_fault.empty()) {
    return ", and the weights of " + at_fault.back().string() +
           " may be at fault already: continue from " + sound.back().string() +
           " with a lower learning rate by `" + move_away_command(run, at_fault) + " && " +
           resume_command(run, rate) + "`";
  }
  return ", and " + sound.back().string() +
         " stands: continue from it with a lower learning rate by `" + resume_command(run, rate) +
         "`" +
         (training.non_finite == NonFinite::kRollback
              ? ""
              : ", or with --set training.non_finite=rollback");
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

/// A run inside its data would be a part of them the next time, and data inside a run would be lost
/// with it.
void check_is_apart(const RunFolder& run, const DataSettings& data) {
  for (const std::string& path : data.paths()) {
    if (is_within(run.path(), path) || is_within(path, run.path())) {
      throw UserError("the run's folder " + run.path().string() + " and the data " + path +
                      " are one within the other; name another folder with --run");
    }
  }
}

/// What a request comes to: all that it names is opened and checked, but no model built and nothing
/// written yet.
struct Plan {
  RunFolder run;
  bool goes_on;  // with a run that is there
  Settings settings;
  DataSet data;
  std::optional<Checkpoint> newest;     // to go on from
  std::optional<Checkpoint> init_from;  // to start a new run from
};

/// The config that the request gives. Its mistakes are found before a folder is created.
std::optional<Config> given_config(const TrainRequest& request) {
  if (request.files.empty()) return std::nullopt;
  Config config(request.files, request.overrides);
  read_settings(config);
  return config;
}

Plan plan_of(const TrainRequest& request, const RunFolder& run, std::optional<Config> given) {
  const bool goes_on = request.resume && run.is_run();
  if (!goes_on) run.check_is_free();
  const Config config = given ? std::move(*given) : config_of_run(run, request.overrides);
  const Settings settings = read_settings(config);
  bool keeps_data = false;
  if (goes_on) {
    const Settings before = settings_of(run);
    check_resumable(run, before, settings);
    keeps_data = before.data.paths() == settings.data.paths();
  }
  // A run of an older program may lie in its data.
  if (!keeps_data) check_is_apart(run, settings.data);
  Plan plan{.run = run,
            .goes_on = goes_on,
            .settings = settings,
            .data = open_data(settings, config),
            .newest = {},
            .init_from = {}};
  if (goes_on) plan.newest = checkpoint_to_resume(run);
  if (request.init_from) {
    plan.init_from = checkpoint_to_start_from(*request.init_from, settings);
  }
  return plan;
}

/// What the terminal hears of a run's end, the run's log hears too.
void train_and_log_end(Trainer& trainer, const Plan& plan) {
  const TokenFormat& format = plan.data.format;
  try {
    trainer.train();
    log_what_next(plan.run, format);
  } catch (const Interrupted&) {
    if (plan.run.newest_checkpoint()) log_what_next(plan.run, format);
    throw;
  } catch (const Divergence& error) {
    const std::string advised =
        error.what() +
        advice_after_divergence(plan.run, plan.settings.training, error.first_failed());
    log_to_file(advised);
    throw WorldError(advised);
  } catch (const std::exception& error) {
    log_to_file(is_out_of_memory(error) ? "out of memory" : first_line(error));
    throw;
  }
}

void log_training_examples(const Plan& plan) {
  try {
    const fs::path path = write_training_examples(plan.settings, plan.data, plan.run);
    log_info("examples of the data in " + path.string());
  } catch (const Interrupted&) {
    throw;
  } catch (const std::runtime_error& error) {
    log_warning("no examples of the data: " + error_message(error) + "; training continues");
  }
}

/// What is said of a run before its first step.
void log_beginning(const Plan& plan, std::int64_t per_epoch) {
  const std::int64_t steps = total_steps(plan.settings.training, per_epoch);
  log_size(plan.settings, steps);
  warn_of_other_count(plan.settings.data, per_epoch);
  warn_of_patterns(plan.settings);
  advise_on_text(plan.settings.model.attention, plan.data.format);
  warn_of_warmup(plan.settings.training, steps);
  if (plan.newest) warn_of_changes(*plan.newest, plan.settings);
  if (plan.newest) log_info("going on from " + plan.newest->folder().string());
  if (plan.goes_on && !plan.newest) {
    log_warning(plan.run.path().string() + " has no checkpoint: training begins at step 1");
  }
}

}  // namespace

void run_training(const TrainRequest& request) {
  check_request(request);
  const RunFolder folder = folder_of(request);
  std::optional<Config> given = given_config(request);
  const StopSignals stop_signals;
  const RunLock lock(folder.path());
  folder.tidy();
  const Plan plan = plan_of(request, folder, std::move(given));
  const auto& [run, goes_on, settings, data, newest, init_from] = plan;
  check_memory(settings, choose_device(settings.training.device));
  Trainer trainer(settings, data, run);
  if (newest) {
    trainer.resume(*newest);
    if (trainer.is_finished()) return log_how_to_extend(run, settings.training, *newest);
  }
  if (init_from) trainer.start_from(*init_from);

  check_regular_if_there(run.log());
  check_regular_if_there(run.metrics());

  // What the user got wrong has been said by now: only here does the run change.
  if (goes_on) {
    write_file(run.config(), resolved_yaml(settings));
  } else {
    run.begin(resolved_yaml(settings));
  }
  const LogFile log_file(run.log());
  log_info("run " + run.path().string() + ", data " + data.source);
  log_beginning(plan, sequences_per_epoch(settings, data));
  if (!newest) log_training_examples(plan);
  train_and_log_end(trainer, plan);
}

std::string dry_run(const TrainRequest& request) {
  check_request(request);
  const Plan plan = plan_of(request, folder_of(request), given_config(request));
  const auto& [run, goes_on, settings, data, newest, init_from] = plan;
  if (newest) check_same_data(*newest, data, hash_of(data));
  const std::int64_t per_epoch = sequences_per_epoch(settings, data);
  log_beginning(plan, per_epoch);
  log_info(format_count(total_steps(settings.training, per_epoch)) + " steps of " +
           format_count(settings.training.batch) + " sequences on " +
           choose_device(settings.training.device).str());
  log_info("the first sequence begins with " + beginning_of_first_example(settings, data));
  return resolved_yaml(settings);
}

}  // namespace sparse_transformer
