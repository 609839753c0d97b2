#include "attention/kernel_choice.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "attention/kernels/union_cuda.h"
#include "config/errors.h"
#include "config/words.h"
#include "runtime/format.h"
#include "runtime/kernel_check.h"
#include "runtime/log.h"
#include "runtime/shell.h"
#include "runtime/timing.h"

namespace sparse_transformer {
namespace {

std::string word(KernelKind kernel) { return word_of(kKernelKindWords, kernel); }

bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const at::Tensor& x, const at::Tensor& y) { return at::equal(x, y); });
}

/// The setting that takes another kernel for the part.
std::string way_around(const KernelTrial& trial, KernelKind kernel) {
  for (const KernelCandidate& other : trial.candidates) {
    if (other.kernel == kernel) continue;
    return "--set " + shell_quoted("training.kernel_choice=[" +
                                   choice_words({{trial.part, other.kernel}})[0] + "]");
  }
  return "--set training.kernels=plain";
}

DeviceTrial device_trial(const KernelTrial& trial, KernelKind kernel) {
  return {.name = part_text(trial.part) + ": " + word(kernel),
          .way_around = way_around(trial, kernel),
          .synchronise = trial.synchronise};
}

/// What keeps a candidate from being chosen, or nothing.
std::optional<std::string> fault(const KernelTrial& trial, const KernelCandidate& candidate) {
  return complaint_of(device_trial(trial, candidate.kernel), [&]() -> std::optional<std::string> {
    const std::vector<at::Tensor> result = candidate.compute();
    if (auto problem = difference(result, trial.plain)) return problem;
    if (trial.repeatable && !equal(result, candidate.compute())) {
      return "it does not repeat bit for bit";
    }
    return std::nullopt;
  });
}

struct Timed {
  KernelCandidate candidate;
  double seconds;
};

/// "own 3.000 ms, flash 4.000 ms"
std::string times_text(const std::vector<Timed>& timed) {
  std::string text;
  for (const Timed& each : timed) {
    text += (text.empty() ? "" : ", ") + word(each.candidate.kernel) + " " +
            format_fixed(1e3 * each.seconds, 3) + " ms";
  }
  return text;
}

void log_left_out(const KernelTrial& trial, KernelKind kernel, const std::string& why) {
  log_info(part_text(trial.part) + ": " + word(kernel) + " is left out: " + why);
}

/// Those whose results are right, with their estimates.
std::vector<Timed> sound_candidates(const KernelTrial& trial) {
  std::vector<Timed> sound;
  for (const KernelCandidate& candidate : trial.candidates) {
    double seconds = 0.0;
    auto problem = fault(trial, candidate);
    if (!problem && trial.candidates.size() > 1) {
      problem = complaint_of(device_trial(trial, candidate.kernel), [&] {
        seconds = candidate.estimate();
        return std::nullopt;
      });
    }
    if (problem) {
      log_left_out(trial, candidate.kernel, *problem);
    } else {
      sound.push_back({candidate, seconds});
    }
  }
  return sound;
}

const Timed& quickest(const std::vector<Timed>& timed) {
  return *std::min_element(timed.begin(), timed.end(),
                           [](const Timed& a, const Timed& b) { return a.seconds < b.seconds; });
}

/// Those that are worth a measurement and run at full length.
std::vector<Timed> contenders(const KernelTrial& trial, const std::vector<Timed>& sound) {
  // Times the best estimate, which of short passes is mostly the time of their launches.
  constexpr double kHopeless = 16.0;
  const double best = quickest(sound).seconds;
  std::vector<Timed> result;
  for (const Timed& each : sound) {
    if (each.seconds > kHopeless * best) {
      log_left_out(trial, each.candidate.kernel, "much slower by estimate");
      continue;
    }
    const auto problem = complaint_of(device_trial(trial, each.candidate.kernel), [&] {
      each.candidate.seconds();
      return std::nullopt;
    });
    if (problem) {
      log_left_out(trial, each.candidate.kernel, *problem);
    } else {
      result.push_back(each);
    }
  }
  return result;
}

void measure(std::vector<Timed>& timed) {
  constexpr RoundLimits kLimits = {.rounds = 9, .seconds = 2.0};
  std::vector<std::function<double()>> measurements;
  for (const Timed& each : timed) measurements.push_back(each.candidate.seconds);
  const std::vector<double> seconds =
      medians_of_rounds(measurements, kLimits, [](std::int64_t, std::int64_t) {}).values;
  for (std::size_t i = 0; i < timed.size(); ++i) timed[i].seconds = seconds[i];
}

}  // namespace

std::vector<KernelKind> attention_kernels(const at::Tensor& packed, const LayerPattern& pattern,
                                          const HeadShape& shape) {
  if (!packed.is_cuda()) return {KernelKind::kOwn};
  std::vector<KernelKind> kernels;
  if (union_cuda_serves(packed, pattern, shape)) kernels.push_back(KernelKind::kOwn);
  kernels.push_back(KernelKind::kFlash);
  return kernels;
}

std::string part_text(const std::string& part) {
  return part == kFeedforward ? "feed-forward" : "attention of " + part;
}

std::vector<std::string> choice_words(const KernelChoice& choice) {
  std::vector<std::string> words;
  for (const auto& [part, kernel] : choice) words.push_back(part + "=" + word(kernel));
  return words;
}

KernelChoice choice_of_words(const std::vector<std::string>& words) {
  KernelChoice choice;
  for (const std::string& text : words) {
    const std::size_t equals = text.rfind('=');
    const std::string kernel = equals == std::string::npos ? "" : text.substr(equals + 1);
    const auto kind = meaning_of<KernelKind>(kKernelKindWords, kernel);
    if (equals == 0 || !kind) {
      throw SettingError("training.kernel_choice",
                         "'" + text + "' is not PART=KERNEL, a pattern or '" + kFeedforward +
                             "' and one of own, flash, cublas");
    }
    choice[text.substr(0, equals)] = *kind;
  }
  return choice;
}

KernelKind fastest_kernel(const KernelTrial& trial) {
  constexpr double kLongPass = 1.0;  // seconds, from which on estimates decide
  const std::string subject = part_text(trial.part) + ": ";
  std::vector<Timed> timed = sound_candidates(trial);
  const bool by_estimate = timed.size() > 1 && quickest(timed).seconds > kLongPass;
  if (timed.size() > 1 && !by_estimate) {
    timed = contenders(trial, timed);
    if (timed.size() > 1) measure(timed);
  }
  if (timed.empty()) {
    throw WorldError(subject + "no kernel computes it rightly here; training.kernels: plain does");
  }
  const KernelKind chosen = quickest(timed).candidate.kernel;
  const std::string how = timed.size() == 1
                              ? "the only choice"
                              : times_text(timed) + (by_estimate ? ", estimated" : "");
  log_info(subject + word(chosen) + " (" + how + ")");
  return chosen;
}

KernelChoice available_kernels(const KernelChoice& recorded,
                               const std::map<std::string, std::vector<KernelKind>>& here) {
  KernelChoice available;
  for (const auto& [part, kernel] : recorded) {
    const auto found = here.find(part);
    if (found != here.end() && std::count(found->second.begin(), found->second.end(), kernel) > 0) {
      available[part] = kernel;
    } else {
      log_warning("the checkpoint's " + part_text(part) + " is computed by " + word(kernel) +
                  ", which cannot be had here: the run goes on, but not bit for bit as it would " +
                  "have there");
    }
  }
  return available;
}

}  // namespace sparse_transformer
