#include "attention/kernel_choice.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "attention/kernels/cudnn_attention.h"
#include "attention/kernels/union_cuda.h"
#include "attention/slice.h"
#include "config/errors.h"
#include "config/words.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/timing.h"

namespace sparse_transformer {
namespace {

/// Whether cuDNN computes anything of the layer.
bool cudnn_serves(const at::Tensor& packed, const LayerPattern& pattern, const HeadShape& shape) {
  const auto serves = [&](std::int64_t queries, std::int64_t keys, BandMask mask) {
    return banded_cudnn_serves(packed.scalar_type(), shape.query_width, shape.value_width, queries,
                               keys, mask);
  };
  const SequenceShape sizes{packed.size(0), packed.size(1), packed.size(2)};
  for (const HeadGroup& group : pattern.groups) {
    for (const Piece& piece : group.pieces) {
      const auto* band = std::get_if<Band>(&piece);
      if (band == nullptr) {
        if (std::holds_alternative<Shared>(piece) && serves(sizes.n, sizes.n, {})) return true;
        continue;
      }
      const auto calls =
          banded_calls(*band, sizes, {group.first_head, group.heads}, /*windows=*/true);
      for (const BandedCall& call : calls) {
        if (serves(call.query.length, call.key.length, call.mask)) return true;
      }
    }
  }
  return false;
}

std::string word(KernelKind kernel) { return word_of(kKernelKindWords, kernel); }

/// |a - b| / |b| over all numbers; both in float32.
double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kFloat) - b).norm() / b.norm()).item<double>();
}

double largest_error(const std::vector<at::Tensor>& result, const std::vector<at::Tensor>& plain) {
  std::vector<double> errors;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    errors.push_back(relative_error(result[i], plain[i]));
  }
  // What is not a number counts as the largest.
  return *std::max_element(errors.begin(), errors.end(),
                           [](double a, double b) { return !(a >= b) && !std::isnan(a); });
}

/// What is between is rounded to the type of the numbers, and so are the results.
double rounding(at::ScalarType type) {
  constexpr double kRoundings = 2.0;
  if (type == at::kBFloat16) return kRoundings * std::numeric_limits<c10::BFloat16>::epsilon();
  if (type == at::kHalf) return kRoundings * std::numeric_limits<c10::Half>::epsilon();
  return 1e-4;
}

bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const at::Tensor& x, const at::Tensor& y) { return at::equal(x, y); });
}

/// What keeps a candidate from being chosen, or nothing.
std::optional<std::string> fault(const KernelCandidate& candidate,
                                 const std::vector<at::Tensor>& plain, bool repeatable) {
  try {
    const std::vector<at::Tensor> result = candidate.compute();
    const double error = largest_error(result, plain);
    if (!(error <= rounding(result.front().scalar_type()))) {
      return "its results differ by " + format_fixed(100 * error, 2) + "% from plain code's";
    }
    if (repeatable && !equal(result, candidate.compute())) return "it does not repeat bit for bit";
    candidate.seconds();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    return first_line(error);
  }
  return std::nullopt;
}

}  // namespace

std::vector<KernelKind> attention_kernels(const at::Tensor& packed, const LayerPattern& pattern,
                                          const HeadShape& shape) {
  if (!packed.is_cuda()) return {KernelKind::kOwn};
  std::vector<KernelKind> kernels;
  if (union_cuda_serves(packed, pattern, shape)) kernels.push_back(KernelKind::kOwn);
  kernels.push_back(KernelKind::kFlash);
  if (at::globalContext().hasCuDNN() && cudnn_serves(packed, pattern, shape)) {
    kernels.push_back(KernelKind::kCudnn);
  }
  return kernels;
}

std::string part_text(const std::string& part) {
  return part == kFeedforward ? "feed-forward" : "attention of " + part;
}

KernelKind fastest_kernel(const std::string& part, const std::vector<KernelCandidate>& candidates,
                          const std::vector<at::Tensor>& plain, bool repeatable) {
  const std::string subject = part_text(part) + ": ";
  std::vector<KernelKind> sound;
  std::vector<std::function<double()>> measurements;
  for (const KernelCandidate& candidate : candidates) {
    if (const auto problem = fault(candidate, plain, repeatable)) {
      log_info(subject + word(candidate.kernel) + " is no choice: " + *problem);
      continue;
    }
    sound.push_back(candidate.kernel);
    measurements.push_back(candidate.seconds);
  }
  if (sound.empty()) {
    throw WorldError(subject + "no kernel computes it rightly here; training.kernels: plain does");
  }
  constexpr RoundLimits kLimits = {.rounds = 9, .seconds = 3.0};
  const std::vector<double> seconds =
      medians_of_rounds(measurements, kLimits, [](std::int64_t, std::int64_t) {}).values;
  std::string times;
  for (std::size_t i = 0; i < sound.size(); ++i) {
    times +=
        (i == 0 ? "" : ", ") + word(sound[i]) + " " + format_fixed(1e3 * seconds[i], 3) + " ms";
  }
  const auto fastest = std::min_element(seconds.begin(), seconds.end()) - seconds.begin();
  const KernelKind chosen = sound[static_cast<std::size_t>(fastest)];
  log_info(subject + word(chosen) + " (" + times + ")");
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
