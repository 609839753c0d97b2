#include "training/step_graph.h"

#include "config/errors.h"
#include "runtime/log.h"

namespace sparse_transformer {

void StepGraph::run(const WorkRecorder::Work& work) {
  constexpr int kRehearsals = 2;
  if (recorder_ == nullptr) return work();
  if (!is_recorded_ && rehearsals_ < kRehearsals) {
    recorder_->rehearse(work);
    ++rehearsals_;
    return;
  }
  if (!is_recorded_ && !try_to_record(work)) return work();
  recorder_->replay();
}

bool StepGraph::try_to_record(const WorkRecorder::Work& work) {
  try {
    recorder_->record(work);
    is_recorded_ = true;
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    log_warning("the training step cannot be recorded as a CUDA graph (" + first_line(error) +
                "): its kernels are launched one by one");
    recorder_.reset();
  }
  return is_recorded_;
}

void StepGraph::forget() {
  if (recorder_ != nullptr) recorder_->forget();
  rehearsals_ = 0;
  is_recorded_ = false;
}

}  // namespace sparse_transformer
