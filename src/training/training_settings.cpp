#include "training/training_settings.h"

#include "generation/sampler.h"
#include "training/limits.h"

namespace sparse_transformer {

void TrainingSettings::describe(FieldVisitor& visit) {
  constexpr std::int64_t kOne = 1;
  const auto steps_from = [](std::int64_t low) { return between(low, kMostSteps); };
  visit.field("steps", steps, "optimizer steps; or give epochs", steps_from(1));
  visit.field("epochs", epochs, "passes over the training data; or give steps", steps_from(1));
  visit.field("batch", batch, "sequences a step", between(kOne, kMostBatch));
  visit.field("micro_batch", micro_batch,
              "sequences computed at a time, gradients of the rest being accumulated; default: the "
              "whole batch",
              between(kOne, kMostBatch));
  visit.field("learning_rate", learning_rate, "largest step size of Adam", more_than(0.0));
  visit.field("warmup", warmup, "steps over which the learning rate rises from 0", steps_from(0));
  visit.choice("schedule", schedule, kScheduleWords, "the learning rate after the warm-up");
  const Range<double> below_one = {.low = 0.0, .high = 0.999999};
  visit.field("beta1", beta1, "decay of Adam's mean of the gradients", below_one);
  visit.field("beta2", beta2, "decay of Adam's mean of their squares", below_one);
  visit.field("weight_decay", weight_decay, "decoupled, on matrices only; 0 = none", at_least(0.0));
  visit.field("clip", clip, "largest norm of the whole gradient; 0 = no limit", at_least(0.0));
  visit.field("average", average,
              "decay of the averaged weights that evaluate and sample use, at step t at most (1 + "
              "t) / (10 + t); 0 = no average",
              below_one);
  visit.choice("precision", precision, kPrecisionWords,
               "of activations, their gradients and matrix products; weights, norms, softmax and "
               "loss are fp32, and fp16 has a dynamic loss scale");
  visit.choice("recompute", recompute, kRecomputeWords,
               "what the backward pass computes again to save memory: nothing, the attention half "
               "of each block, or whole blocks");
  visit.choice(
      "kernels", kernels, kKernelsWords,
      "what computes attention, norms and the like: fused kernels, or plain operations, slower "
      "and in more memory, to compare with");
  visit.field(
      "kernel_choice", kernel_choice,
      "CUDA: the kernel of a pattern's attention or of the feed-forward part, such as "
      "local+column=own or 'feed forward=cublas'; of the rest the fastest are measured when "
      "training begins");
  visit.choice(
      "non_finite", non_finite, kNonFiniteWords,
      "where a loss or gradient is not finite: stop; skip the step; or go back to the last "
      "checkpoint and on from there over other data");
  visit.field("watch", watch,
              "standard deviations above its running mean at which a loss or gradient norm is "
              "warned of; 0 = never",
              at_least(0.0));
  visit.field("deterministic", deterministic, "CUDA: only kernels that repeat bit for bit");
  visit.field("seed", seed, "of initial weights, order of the data, dropout and previews",
              at_least<std::int64_t>(0));
  visit.choice("device", device, kDeviceWords, "where to compute");
  visit.field("log_every", log_every, "steps between lines of figures", steps_from(1));
  visit.field("evaluate_every", evaluate_every, "steps between evaluations; 0 = never",
              steps_from(0));
  visit.field("evaluate_examples", evaluate_examples,
              "validation sequences to score each time; default: all", steps_from(1));
  visit.field("sample_every", sample_every, "steps between sample files; 0 = never", steps_from(0));
  visit.field("sample_count", sample_count, "samples in such a file", between(kOne, kMostSamples));
  visit.field("checkpoint_every", checkpoint_every, "steps between checkpoints", steps_from(1));
  visit.field("keep", keep, "newest checkpoints kept, beside the best", steps_from(1));
}

}  // namespace sparse_transformer
