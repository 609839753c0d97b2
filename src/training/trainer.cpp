#include "training/trainer.h"

#include <ATen/ATen.h>

#include <chrono>
#include <optional>
#include <string>

#include "config/errors.h"
#include "data/batches.h"
#include "runtime/device.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/progress.h"
#include "training/checkpoint_keeper.h"
#include "training/evaluation.h"
#include "training/metrics.h"
#include "training/preview.h"
#include "training/schedule.h"
#include "training/step_log.h"

namespace sparse_transformer {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Trainer {
 public:
  Trainer(const Settings& settings, const DataSet& data, const RunFolder& run)
      : settings_(settings),
        data_(data),
        run_(run),
        steps_(total_steps(settings, data)),
        device_(choose_device(settings.training.device)),
        sequences_(data, settings.data.sequence_length(),
                   static_cast<std::uint64_t>(settings.training.seed)),
        learner_(settings, device_),
        keeper_(run.checkpoints(), resolved_yaml(settings), settings.training.keep) {
    progress_.machine = describe_machine(device_);
    progress_.data_hash = data.content_hash();
    progress_.format = data.format;
  }

  void resume(const Checkpoint& checkpoint) {
    const std::string difference =
        machine_difference(checkpoint.progress().machine, progress_.machine);
    if (!difference.empty()) {
      log_warning("the checkpoint is from another machine (" + difference +
                  "): the run goes on, but not bit for bit as it would have there");
    }
    if (checkpoint.progress().data_hash != progress_.data_hash) {
      throw UserError(checkpoint.folder().string() + ": made with other data than " + data_.source +
                      " is now; restore the data, or start a new run with --init-from");
    }
    learner_.restore(checkpoint);
    const auto machine = progress_.machine;
    progress_ = checkpoint.progress();
    progress_.machine = machine;
    saved_ = progress_.step;
  }

  void start_from(const Checkpoint& checkpoint) { learner_.start_from(checkpoint); }

  void train() {
    metrics_.emplace(run_.path(), progress_.step);
    bar_.emplace("train", progress_.step, steps_, settings_.training.log_every);
    try {
      do_what_is_due();
      while (progress_.step < steps_) {
        learn();
        do_what_is_due();
      }
    } catch (const Interrupted&) {
      save_before_leaving();
      throw;
    }
  }

  const TrainingProgress& progress() const { return progress_; }

 private:
  bool is_due(std::int64_t every) const {
    return every > 0 && progress_.step > 0 &&
           (progress_.step % every == 0 || progress_.step == steps_);
  }

  void do_what_is_due() {
    const TrainingSettings& t = settings_.training;
    if (is_due(t.log_every)) log();
    if (is_due(t.evaluate_every) && progress_.evaluated < progress_.step) evaluate_now();
    if (is_due(t.sample_every) && progress_.sampled < progress_.step) sample();
    const bool is_best = progress_.best_bits && progress_.best_step == progress_.step;
    if ((is_due(t.checkpoint_every) || is_best) && saved_ < progress_.step) save();
  }

  void learn() {
    const auto begin = Clock::now();
    const std::int64_t batch = settings_.training.batch;
    std::vector<std::uint8_t> tokens = sequences_.read(progress_.step * batch, batch);
    const auto count = static_cast<std::int64_t>(tokens.size());
    const at::Tensor sequences = at::from_blob(tokens.data(), {batch, count / batch}, at::kByte);
    const StepFigures figures = learner_.step(sequences, progress_.step, steps_);
    ++progress_.step;
    step_log_.add(figures, count, seconds_since(begin));
    bar_->update(progress_.step);
  }

  void log() {
    Figures figures = step_log_.read(progress_.step);
    if (figures.empty()) return;
    bar_->set_figures(format_fixed(figures[0].second, 3) + " bits, " +
                      format_rate(figures[2].second) + " tok/s");
    figures.insert(
        figures.begin() + 1,
        {"learning_rate", learning_rate(settings_.training, progress_.step - 1, steps_)});
    metrics_->add(progress_.step, figures);
  }

  void evaluate_now() {
    step_log_.read(progress_.step);
    if (data_.valid->size() > 0) {
      Progress bar("evaluate", 0, 1, 0);
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
  }

  void sample() {
    step_log_.read(progress_.step);
    const auto path =
        write_preview(learner_.best_model(), settings_, data_.format, run_, progress_.step);
    if (data_.format.kind == TokenFormat::Kind::kPicture)
      metrics_->add_picture(progress_.step, path);
    progress_.sampled = progress_.step;
  }

  void save() {
    step_log_.read(progress_.step);
    if (progress_.step == steps_) {
      keeper_.save_last(learner_.tensors(), progress_);
    } else {
      keeper_.save(learner_.tensors(), progress_);
    }
    saved_ = progress_.step;
  }

  void save_before_leaving() {
    if (saved_ == progress_.step) return;
    step_log_.read(progress_.step);
    keeper_.save_last(learner_.tensors(), progress_);
    log_info("saved step " + format_count(progress_.step));
  }

  const Settings& settings_;
  const DataSet& data_;
  const RunFolder& run_;
  std::int64_t steps_;
  c10::Device device_;
  TrainingSequences sequences_;
  Learner learner_;
  CheckpointKeeper keeper_;
  TrainingProgress progress_;
  std::int64_t saved_ = 0;
  StepLog step_log_;
  std::optional<MetricsLog> metrics_;
  std::optional<Progress> bar_;
};

}  // namespace

std::int64_t total_steps(const Settings& settings, const DataSet& data) {
  const TrainingSettings& training = settings.training;
  if (training.steps) return *training.steps;
  if (!training.epochs) {
    throw UserError("training.steps: neither steps nor epochs are given; say how long to train");
  }
  const TrainingSequences sequences(data, settings.data.sequence_length(),
                                    static_cast<std::uint64_t>(training.seed));
  return (*training.epochs * sequences.per_epoch() + training.batch - 1) / training.batch;
}

void train(const Settings& settings, const DataSet& data, const RunFolder& run,
           const std::optional<std::filesystem::path>& resume_from,
           const std::optional<std::filesystem::path>& weights_from) {
  Trainer trainer(settings, data, run);
  if (resume_from) {
    trainer.resume(Checkpoint(*resume_from));
  } else if (weights_from) {
    trainer.start_from(Checkpoint(*weights_from));
  }
  trainer.train();
}

}  // namespace sparse_transformer
