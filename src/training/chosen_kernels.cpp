#include "training/chosen_kernels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

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

/// So many passes are timed that starting them is hidden.
constexpr std::int64_t kPasses = 5;

template <typename Pass>
std::function<double()> seconds_of_pass(Pass pass) {
  return [pass = std::move(pass)] { return seconds_of([&pass] { pass.run(); }) / kPasses; };
}

KernelKind choose_feedforward_kernel(const FeedforwardInput& input, bool repeatable) {
  const std::vector<KernelKind> kernels = feedforward_kernels(input.expand, input.x);
  if (kernels.size() == 1) return kernels.front();
  constexpr std::int64_t kRows = 2048;
  const FeedforwardInput few = input.first(kRows);
  std::vector<KernelCandidate> candidates;
  for (const KernelKind kernel : kernels) {
    candidates.push_back({.kernel = kernel,
                          .compute = [&few, kernel] { return feed_forward(few, kernel); },
                          .seconds = seconds_of_pass(FeedforwardPass(input, kernel, kPasses))});
  }
  return fastest_kernel(kFeedforward, candidates, feed_forward_plainly(few), repeatable);
}

}  // namespace

std::optional<KernelKind> choose_attention_kernel(const Settings& settings,
                                                  const LayerPattern& pattern,
                                                  const AttentionInput& input) {
  if (!has_choice(settings, input.packed.device())) return std::nullopt;
  const bool repeatable = settings.training.deterministic;
  const std::vector<KernelKind> kernels = attention_kernels(input.packed, pattern, input.shape);
  if (kernels.size() == 1) return kernels.front();
  const AttentionInput few = short_input(input, input.packed.scalar_type());
  const std::vector<at::Tensor> plain =
      attend(pattern, Kernels::kPlain, KernelKind::kOwn, short_input(input, at::kFloat));
  std::vector<KernelCandidate> candidates;
  for (const KernelKind kernel : kernels) {
    candidates.push_back(
        {.kernel = kernel,
         .compute = [&, kernel] { return attend(pattern, Kernels::kFused, kernel, few); },
         .seconds =
             seconds_of_pass(AttentionPass(pattern, Kernels::kFused, kernel, input, kPasses))});
  }
  return fastest_kernel(pattern.name(), candidates, plain, repeatable);
}

KernelChoice choose_kernels(const Settings& settings, c10::Device device, KernelChoice known) {
  if (!has_choice(settings, device)) return known;
  const AttentionInput input(settings, device);
  for (const LayerPattern& pattern : patterns_of(settings)) {
    if (known.contains(pattern.name())) continue;
    if (const auto kernel = choose_attention_kernel(settings, pattern, input)) {
      known[pattern.name()] = *kernel;
    }
  }
  if (!known.contains(kFeedforward)) {
    known[kFeedforward] = choose_feedforward_kernel(FeedforwardInput(settings, device),
                                                    settings.training.deterministic);
  }
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
