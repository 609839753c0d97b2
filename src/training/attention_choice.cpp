#include "training/attention_choice.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/timing.h"

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

}  // namespace

std::optional<AttentionKernel> choose_attention_kernel(const Settings& settings,
                                                       const LayerPattern& pattern,
                                                       const AttentionInput& input) {
  if (!has_choice(settings, input.packed.device())) return std::nullopt;
  const bool repeatable = settings.training.deterministic;
  const std::vector<AttentionKernel> kernels =
      attention_kernels(input.packed, pattern, input.shape, repeatable);
  if (kernels.size() == 1) return kernels.front();
  const AttentionInput few = short_input(input, input.packed.scalar_type());
  const AttentionResult plain =
      attend(pattern, Kernels::kPlain, AttentionKernel::kOwn, short_input(input, at::kFloat));
  std::vector<KernelCandidate> candidates;
  for (const AttentionKernel kernel : kernels) {
    constexpr std::int64_t kPasses = 5;  // so many that starting them is hidden
    candidates.push_back(
        {.kernel = kernel,
         .compute = [&, kernel] { return attend(pattern, Kernels::kFused, kernel, few); },
         .seconds =
             [pass = AttentionPass(pattern, Kernels::kFused, kernel, input, kPasses)] {
               return seconds_of([&pass] { pass.run(); }) / kPasses;
             }});
  }
  return fastest_kernel(pattern.name(), candidates, plain, input.shape, repeatable);
}

KernelChoice choose_attention_kernels(const Settings& settings, c10::Device device,
                                      KernelChoice known) {
  if (!has_choice(settings, device)) return known;
  const AttentionInput input(settings, device);
  for (const LayerPattern& pattern : patterns_of(settings)) {
    if (known.contains(pattern.name())) continue;
    if (const auto kernel = choose_attention_kernel(settings, pattern, input)) {
      known[pattern.name()] = *kernel;
    }
  }
  return known;
}

KernelChoice available_kernels(const Settings& settings, c10::Device device,
                               const KernelChoice& recorded) {
  if (!has_choice(settings, device)) return recorded;
  const AttentionInput input(settings, device);
  std::map<std::string, std::vector<AttentionKernel>> here;
  for (const LayerPattern& pattern : patterns_of(settings)) {
    here[pattern.name()] =
        attention_kernels(input.packed, pattern, input.shape, settings.training.deterministic);
  }
  return available_kernels(recorded, here);
}

}  // namespace sparse_transformer
