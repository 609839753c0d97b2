#include "training/trainer.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>

#include "config/errors.h"
#include "files/error_message.h"
#include "runtime/device.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "training/chosen_kernels.h"
#include "training/data_identity.h"
#include "training/evaluation.h"
#include "training/preview.h"
#include "training/run_length.h"
#include "training/schedule.h"

namespace sparse_transformer {

Trainer::Trainer(const Settings& settings, const DataSet& data, const RunFolder& run)
    : settings_(settings),
      data_(data),
      run_(run),
      device_(choose_training_device(settings.training.device, settings.training.deterministic)),
      sequences_(data, settings.data.sequence_length(),
                 static_cast<std::uint64_t>(settings.training.seed),
                 {settings.data.transpose, settings.data.mirror}),
      steps_(total_steps(settings.training, sequences_.per_epoch())),
      learner_(settings, device_),
      keeper_(run.checkpoints(), resolved_yaml(settings), settings.training.keep),
      review_(settings.training),
      watch_(data) {
  if (device_.is_cuda() && !settings.training.deterministic) {
    log_info("training.deterministic: false: faster kernels, which do not repeat bit for bit");
  }
  progress_.machine = describe_machine(device_);
  progress_.data_hash = hash_of(data);
  progress_.format = data.format;
}

void Trainer::resume(const Checkpoint& checkpoint) {
  const std::string difference =
      machine_difference(checkpoint.progress().machine, progress_.machine);
  if (!difference.empty()) {
    log_warning("the checkpoint is from another machine (" + difference +
                "): the run goes on, but not bit for bit as it would have there");
  }
  check_same_data(checkpoint, data_, progress_.data_hash);
  progress_.kernels = available_kernels(settings_, device_, checkpoint.progress().kernels);
  take(checkpoint);
  if (is_finished()) keeper_.drop_old();
}

/// The machine, the kernels and the hash of the data stay those of this process.
void Trainer::take(const Checkpoint& checkpoint) {
  learner_.restore(checkpoint);
  TrainingProgress progress = checkpoint.progress();
  progress.machine = progress_.machine;
  progress.kernels = progress_.kernels;
  step_log_ = StepLog(progress.unlogged);
  progress.data_hash = progress_.data_hash;
  progress_ = std::move(progress);
}

void Trainer::start_from(const Checkpoint& checkpoint) {
  learner_.start_from(checkpoint);
  saved_ = false;
}

bool Trainer::is_finished() const {
  return progress_.step >= steps_ && !evaluation_is_due() && !sampling_is_due();
}

/// The input was right when the run began: what fails later, the machine failed to do.
void Trainer::train() {
  try {
    run_steps();
  } catch (const UserError& error) {
    throw WorldError(error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    throw WorldError(error_message(error));
  }
  bar_.reset();
}

void Trainer::run_steps() {
  progress_.kernels = choose_kernels(settings_, device_, progress_.kernels);
  learner_.compute_by(progress_.kernels);
  start_lines();
  const bool may_go_back = settings_.training.non_finite == NonFinite::kRollback;
  if (may_go_back && !keeper_.newest_sound()) saved_ = false;
  try {
    if (!saved_) save();
    do_what_is_due();
    while (progress_.step < steps_) {
      learn();
      if (figures_are_due()) read_steps();
      do_what_is_due();
    }
  } catch (const Interrupted&) {
    save_before_leaving();
    throw;
  } catch (const UnreadableInput&) {
    save_before_leaving();
    throw;
  }
}

/// Lines and progress from this step on.
void Trainer::start_lines() {
  metrics_.emplace(run_.path(), progress_);
  bar_.emplace("train", progress_.step, steps_, settings_.training.log_every);
}

bool Trainer::is_due(std::int64_t every) const {
  return every > 0 && progress_.step > 0 &&
         (progress_.step % every == 0 || progress_.step == steps_);
}

bool Trainer::evaluation_is_due() const {
  return is_due(settings_.training.evaluate_every) && progress_.evaluated < progress_.step;
}

bool Trainer::sampling_is_due() const {
  return is_due(settings_.training.sample_every) && progress_.sampled < progress_.step;
}

/// The figures tell whether the steps so far may be logged, evaluated, sampled or saved.
bool Trainer::figures_are_due() const {
  return is_due(settings_.training.log_every) || evaluation_is_due() || sampling_is_due() ||
         is_due(settings_.training.checkpoint_every);
}

void Trainer::do_what_is_due() {
  if (is_due(settings_.training.log_every)) log();
  bar_->update(progress_.step);  // with the figures of this very step
  if (evaluation_is_due()) evaluate_now();
  if (sampling_is_due()) sample();
  const bool is_best = progress_.best_bits && progress_.best_step == progress_.step;
  if ((is_due(settings_.training.checkpoint_every) || is_best) && !saved_) save();
}

void Trainer::learn() {
  step_log_.begin_step();
  const std::int64_t batch = settings_.training.batch;
  std::vector<std::uint8_t> tokens =
      sequences_.read(progress_.step * batch + progress_.passed_over, batch);
  const auto count = static_cast<std::int64_t>(tokens.size());
  const at::Tensor sequences = at::from_blob(tokens.data(), {batch, count / batch}, at::kByte);
  const StepFigures figures = learner_.step(sequences, progress_.step, steps_);
  ++progress_.step;
  progress_.rollbacks = 0;
  saved_ = false;
  step_log_.add(figures, count);
}

void Trainer::read_steps() {
  const std::vector<StepValues> steps = step_log_.read();
  if (const auto failed = review_.review(steps, progress_)) roll_back(*failed);
}

/// The sequences from the checkpoint to the failed step, which may have caused it, are passed over.
void Trainer::roll_back(const FailedStep& failed) {
  constexpr std::int64_t kMostRollbacks = 3;
  const auto folder = keeper_.newest_sound_before(failed.number);
  if (!folder) throw WorldError(failed.what + ", and there is no checkpoint to go back to");
  const Checkpoint checkpoint(*folder);
  if (checkpoint.progress().rollbacks >= kMostRollbacks) {
    throw Divergence(failed.number, failed.what + ", after going back to step " +
                                        format_count(checkpoint.progress().step) + " " +
                                        std::to_string(kMostRollbacks) +
                                        " times already; training stops");
  }
  take(checkpoint);
  const std::int64_t sequences = (failed.number - progress_.step) * settings_.training.batch;
  progress_.passed_over += sequences;
  progress_.rollbacks += 1;
  log_warning(failed.what + ": back to step " + format_count(progress_.step) +
              ", and on from there over other data; " + format_count(sequences) +
              " sequences are passed over");
  keeper_.drop_after(progress_.step);
  start_lines();
  save();  // so that a resumed run does not meet the same sequences again
}

void Trainer::log() {
  const auto summary = step_log_.summary();
  if (!summary) return;
  Figures figures;
  if (summary->bits) figures.emplace_back("train_bits", *summary->bits);
  figures.emplace_back("learning_rate",
                       learning_rate(settings_.training, progress_.step - 1, steps_));
  if (summary->gradient_norm) figures.emplace_back("gradient_norm", *summary->gradient_norm);
  if (const auto rate = summary->tokens_per_second)
    figures.emplace_back("tokens_per_second", *rate);
  if (settings_.training.precision == Precision::kFloat16) {
    figures.emplace_back("loss_scale", summary->loss_scale);
  }
  figures.emplace_back("skipped_steps", static_cast<double>(progress_.skipped_steps));
  metrics_->add(progress_.step, figures);
  const std::string bits = summary->bits ? format_fixed(*summary->bits, 3) + " bits, " : "";
  bar_->set_figures(bits + format_rate(summary->tokens_per_second.value_or(0)) + " tok/s");
}

void Trainer::evaluate_now() {
  if (data_.valid->size() > 0) {
    const EvaluationResult result =
        evaluate(learner_.best_model(), data_, Split::kValid,
                 {.limit = settings_.training.evaluate_examples.value_or(0),
                  .batch = settings_.training.sequences_at_a_time()},
                 [](std::int64_t, std::int64_t) {});
    metrics_->add(progress_.step, {{"valid_bits", result.bits}});
    const bool is_best = !progress_.best_bits || result.bits < *progress_.best_bits;
    if (is_best) {
      progress_.best_bits = result.bits;
      progress_.best_step = progress_.step;
    }
    log_info("step " + format_count(progress_.step) + ": validation " +
             format_fixed(result.bits, 4) + " bits" + (is_best ? ", the best so far" : ""));
  }
  progress_.evaluated = progress_.step;
  saved_ = false;
}

void Trainer::sample() {
  try {
    const auto path =
        write_preview(learner_.best_model(), settings_, data_.format, run_, progress_.step);
    if (data_.format.kind == TokenFormat::Kind::kPicture) {
      metrics_->add_picture(progress_.step, path);
    }
    log_info("step " + format_count(progress_.step) + ": samples in " + path.string());
    progress_.sampled = progress_.step;
    saved_ = false;
  } catch (const Interrupted&) {
    throw;
  } catch (const std::runtime_error& error) {
    log_warning("step " + format_count(progress_.step) + ": no samples: " + error_message(error) +
                "; training continues");
  }
}

/// What the checkpoint says of steps, the logs say too, also after a power cut.
void Trainer::prepare_save() {
  progress_.loss_scale = learner_.loss_scale();
  progress_.unlogged = step_log_.sums();
  metrics_->flush();
  flush_log();
}

void Trainer::save() {
  if (progress_.step == steps_) return save_last();
  prepare_save();
  saved_ = keeper_.save(learner_.tensors(), progress_);
  warn_of_changed_data();
}

void Trainer::warn_of_changed_data() {
  if (data_have_changed_) return;
  const auto change = watch_.change();
  if (!change) return;
  data_have_changed_ = true;
  log_warning("the data change while they are trained on: " + *change +
              "; --resume will refuse other data than the run began with");
}

/// Saves where no later attempt will be made.
void Trainer::save_last() {
  prepare_save();
  try {
    keeper_.save_last(learner_.tensors(), progress_);
  } catch (const std::runtime_error& error) {
    const auto newest = run_.newest_checkpoint();
    throw WorldError(
        "step " + format_count(progress_.step) + " was not saved: " + error_message(error) +
        (newest ? "; the last checkpoint is " + newest->string() : "; there is no checkpoint"));
  }
  saved_ = true;
  warn_of_changed_data();
}

void Trainer::save_before_leaving() {
  if (!saved_) read_steps();
  bar_.reset();
  if (saved_) return;  // as it is after going back
  save_last();
  log_info("saved step " + format_count(progress_.step));
}

void check_same_data(const Checkpoint& checkpoint, const DataSet& data, const std::string& hash) {
  if (are_same_data(checkpoint.progress().data_hash, data, hash)) return;
  throw UserError(checkpoint.folder().string() + ": made with other data than " + data.source +
                  " is now; restore the data, or start a new run with --init-from");
}

}  // namespace sparse_transformer
