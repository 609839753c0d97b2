#include "training/chosen_kernels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "config/words.h"
#include "runtime/log.h"
#include "runtime/shell.h"
#include "runtime/timing.h"
#include "training/feedforward_pass.h"

namespace sparse_transformer {
namespace {

bool has_choice(const Settings& settings, c10::Device device) {
  return device.is_cuda() && settings.training.kernels == Kernels::kFused;
}

std::vector<LayerPattern> patterns_of(const Settings& settings) {
  return layer_patterns(settings.model.attention, settings.model.layers, settings.model.heads,
                        settings.data.sequence_length());
}

/// Of so few positions that plain code has the memory for their scores.
AttentionInput short_input(const AttentionInput& input, at::ScalarType type) {
  constexpr std::int64_t kPositions = 2048;
  const std::int64_t n = std::min(input.packed.size(1), kPositions);
  const auto part = [&](const at::Tensor& x) {
    return x.detach().narrow(0, 0, 1).narrow(1, 0, n).to(type).contiguous();
  };
  AttentionInput few = input;
  few.packed = part(input.packed).requires_grad_(true);
  few.d_out = part(input.d_out);
  return few;
}

/// Waits for a device by a copy to the host.
void wait_for(const at::Tensor& x) { x.flatten()[0].item<double>(); }

/// How a candidate is timed: `few` computes a short pass, `pass(count)` runs passes at full length,
/// each about `scale` times as long.
template <typename Few, typename Pass>
KernelCandidate timed_candidate(KernelKind kernel, Few few, Pass pass, double scale) {
  const auto estimate = std::make_shared<double>();
  const auto passes = [estimate] {
    // Several, so that their launches overlap with work, within some tenths of a second.
    constexpr double kMost = 5.0, kSeconds = 0.2;
    return static_cast<std::int64_t>(std::clamp(kSeconds / *estimate, 1.0, kMost));
  };
  return {.kernel = kernel,
          .compute = few,
          .estimate =
              [few, scale, estimate] {
                *estimate = scale * seconds_of([&few] { wait_for(few().back()); });
                return *estimate;
              },
          .seconds =
              [pass, passes] {
                const std::int64_t count = passes();
                return seconds_of([&] { pass(count); }) / static_cast<double>(count);
              }};
}

double pairs_of(const LayerPattern& pattern, std::int64_t n) {
  std::int64_t pairs = 0;
  for (const HeadGroup& group : pattern.groups) pairs += count_pairs(group, n);
  return static_cast<double>(pairs);
}

KernelTrial trial_of(const std::string& part, const std::vector<at::Tensor>& plain,
                     bool repeatable) {
  return {.part = part,
          .candidates = {},
          .plain = plain,
          .repeatable = repeatable,
          .synchronise = [x = plain.front()] { wait_for(x); }};
}

/// Those that the settings leave: the one that they name for the part, or all.
std::vector<KernelKind> allowed(const Settings& settings, const std::string& part,
                                const std::vector<KernelKind>& kernels) {
  const KernelChoice named = choice_of_words(settings.training.kernel_choice);
  const auto found = named.find(part);
  if (found == named.end()) return kernels;
  if (std::find(kernels.begin(), kernels.end(), found->second) != kernels.end()) {
    return {found->second};
  }
  throw SettingError("training.kernel_choice",
                     part_text(part) + " cannot be computed here by " +
                         std::string(word_of(kKernelKindWords, found->second)));
}

/// Another run may find other times, and choose other kernels.
void log_how_to_repeat(const KernelChoice& choice) {
  std::string words;
  for (const std::string& word : choice_words(choice)) words += (words.empty() ? "" : ", ") + word;
  log_info("kernels are chosen by their times; a new run repeats this choice with --set " +
           shell_quoted("training.kernel_choice=[" + words + "]"));
}

KernelKind choose_feedforward_kernel(const Settings& settings, const FeedforwardInput& input) {
  const std::vector<KernelKind> kernels =
      allowed(settings, kFeedforward, feedforward_kernels(input.expand, input.x));
  if (kernels.size() == 1 && kernels.front() == KernelKind::kCublas) return kernels.front();
  constexpr std::int64_t kRows = 2048;
  const FeedforwardInput few = input.first(kRows);
  KernelTrial trial =
      trial_of(kFeedforward, feed_forward_plainly(few), settings.training.deterministic);
  const double scale = static_cast<double>(input.x.size(0)) / static_cast<double>(few.x.size(0));
  for (const KernelKind kernel : kernels) {
    trial.candidates.push_back(timed_candidate(
        kernel, [&few, kernel] { return feed_forward(few, kernel); },
        [&input, kernel](std::int64_t count) { FeedforwardPass(input, kernel, count).run(); },
        scale));
  }
  return fastest_kernel(trial);
}

}  // namespace

std::optional<KernelKind> choose_attention_kernel(const Settings& settings,
                                                  const LayerPattern& pattern,
                                                  const AttentionInput& input) {
  if (!has_choice(settings, input.packed.device())) return std::nullopt;
  const std::vector<KernelKind> kernels =
      allowed(settings, pattern.name(), attention_kernels(input.packed, pattern, input.shape));
  if (kernels.size() == 1 && kernels.front() == KernelKind::kFlash) return kernels.front();
  const AttentionInput few = short_input(input, input.packed.scalar_type());
  KernelTrial trial =
      trial_of(pattern.name(),
               attend(pattern, Kernels::kPlain, KernelKind::kOwn, short_input(input, at::kFloat)),
               settings.training.deterministic);
  const auto sequences = static_cast<double>(input.packed.size(0));
  const double scale = sequences * pairs_of(pattern, input.packed.size(1)) /
                       std::max(1.0, pairs_of(pattern, few.packed.size(1)));
  for (const KernelKind kernel : kernels) {
    trial.candidates.push_back(timed_candidate(
        kernel, [&, kernel] { return attend(pattern, Kernels::kFused, kernel, few); },
        [&, kernel](std::int64_t count) {
          AttentionPass(pattern, Kernels::kFused, kernel, input, count).run();
        },
        scale));
  }
  return fastest_kernel(trial);
}

KernelChoice choose_kernels(const Settings& settings, c10::Device device, KernelChoice known) {
  if (!has_choice(settings, device)) return known;
  const std::size_t known_before = known.size();
  const AttentionInput input(settings, device);
  for (const LayerPattern& pattern : patterns_of(settings)) {
    if (known.contains(pattern.name())) continue;
    if (const auto kernel = choose_attention_kernel(settings, pattern, input)) {
      known[pattern.name()] = *kernel;
    }
  }
  if (!known.contains(kFeedforward)) {
    known[kFeedforward] = choose_feedforward_kernel(settings, FeedforwardInput(settings, device));
  }
  if (known.size() > known_before) log_how_to_repeat(known);
  return known;
}

KernelChoice available_kernels(const Settings& settings, c10::Device device,
                               const KernelChoice& recorded) {
  if (!has_choice(settings, device)) return recorded;
  const AttentionInput input(settings, device);
  std::map<std::string, std::vector<KernelKind>> here;
  for (const LayerPattern& pattern : patterns_of(settings)) {
    here[pattern.name()] = attention_kernels(input.packed, pattern, input.shape);
  }
  const FeedforwardInput feedforward(settings, device);
  here[kFeedforward] = feedforward_kernels(feedforward.expand, feedforward.x);
  return available_kernels(recorded, here);
}

}  // namespace sparse_transformer
