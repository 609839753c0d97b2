// The `training:` section of a config.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"
#include "model/computation.h"
#include "runtime/device.h"

namespace sparse_transformer {

/// What a loss or gradient that is not finite leads to; an fp16 gradient that overflows is
/// ordinary.
enum class NonFinite : std::uint8_t { kStop, kSkip, kRollback };
inline constexpr std::array<std::string_view, 3> kNonFiniteWords = {"stop", "skip", "rollback"};

enum class Schedule { kCosine, kConstant };
inline constexpr std::array<std::string_view, 2> kScheduleWords = {"cosine", "constant"};

struct TrainingSettings {
  std::optional<std::int64_t> steps, epochs;  // one of them
  std::int64_t batch = 16;                    // sequences a step
  std::optional<std::int64_t> micro_batch;    // sequences at a time; the rest is accumulated
  double learning_rate = 3.5e-4;
  std::int64_t warmup = 1000;  // steps
  Schedule schedule = Schedule::kCosine;
  double beta1 = 0.9, beta2 = 0.999;
  double weight_decay = 0.01;
  double clip = 1.0;
  double average = 0.999;
  Precision precision = Precision::kFloat32;
  Kernels kernels = Kernels::kFused;
  std::vector<std::string> kernel_choice;  // choice_of_words() of attention/kernel_choice.h
  Recompute recompute = Recompute::kNone;
  NonFinite non_finite = NonFinite::kStop;
  double watch = 8.0;  // standard deviations
  bool deterministic = true;
  std::int64_t seed = 1;
  DeviceChoice device = DeviceChoice::kAuto;
  std::int64_t log_every = 20;
  std::int64_t evaluate_every = 1000;
  std::optional<std::int64_t> evaluate_examples;
  std::int64_t sample_every = 1000;
  std::int64_t sample_count = 16;
  std::int64_t checkpoint_every = 1000;
  std::int64_t keep = 3;
  void describe(FieldVisitor& visit);

  /// micro_batch, or the whole batch.
  std::int64_t sequences_at_a_time() const { return micro_batch.value_or(batch); }

  Computation computation() const {
    return {.precision = precision, .recompute = recompute, .kernels = kernels};
  }
};

}  // namespace sparse_transformer
