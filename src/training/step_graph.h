// A training step recorded once and replayed from then on: what the host does to launch some
// thousand kernels, longer than they take where a model is small, falls away.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <utility>

namespace sparse_transformer {

/// Records work on a device. The work must be the same each time: it reads and writes memory that
/// stays where it is and whatever it allocates itself.
class WorkRecorder {
 public:
  using Work = std::function<void()>;

  virtual ~WorkRecorder() = default;
  /// Does the work as it will be recorded, without recording it.
  virtual void rehearse(const Work& work) = 0;
  /// Records the work without doing it. What it throws passes, and nothing is recorded then.
  virtual void record(const Work& work) = 0;
  /// Does what was recorded.
  virtual void replay() = 0;
  /// Forgets what was recorded.
  virtual void forget() = 0;
};

/// As a CUDA graph; nothing where this build has no CUDA.
///
/// The memory that the work allocates (activations, gradients) stays with the graph between
/// replays: what evaluation and previews need comes on top of it instead of taking turns with it.
/// All graphs of a process share theirs, for they run one after the other and leave their results
/// elsewhere.
std::unique_ptr<WorkRecorder> cuda_recorder(c10::Device device);

/// Work that is done again and again: after a few rehearsals, in which libraries set themselves up,
/// by replay. The same kernels run in the same order either way, on the same numbers, and memory
/// that LibTorch gives out is aligned alike: results do not depend on which runs were replayed, so
/// a resumed run, which rehearses again, goes on bit for bit.
class StepGraph {
 public:
  /// Without a recorder the work is simply done.
  explicit StepGraph(std::unique_ptr<WorkRecorder> recorder) : recorder_(std::move(recorder)) {}

  /// Where recording fails, a warning says so, and work is never recorded again. Passes on what the
  /// work throws, Interrupted also from within a recording.
  void run(const WorkRecorder::Work& work);

  /// The work has other memory now.
  void forget();

 private:
  bool try_to_record(const WorkRecorder::Work& work);

  std::unique_ptr<WorkRecorder> recorder_;
  int rehearsals_ = 0;
  bool is_recorded_ = false;
};

}  // namespace sparse_transformer
