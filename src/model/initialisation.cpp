#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <cstdint>
#include <string_view>

#include "model/transformer.h"
#include "runtime/random.h"
#include "runtime/stop.h"

namespace sparse_transformer {
namespace {

/// The standard deviation of a tensor's initial values; negative: it starts at a constant instead.
struct InitialValues {
  double deviation = 0.0;
  double constant = 0.0;
};

bool ends_with(const std::string& name, std::string_view end) { return name.ends_with(end); }

InitialValues initial_values(const NamedTensor& parameter, const ModelSettings& settings,
                             std::size_t position_tables) {
  const InitialisationSettings& spread = settings.initialisation;
  const std::string& name = parameter.name;
  if (name.starts_with("embedding.position")) {
    return {.deviation = spread.position / std::sqrt(static_cast<double>(position_tables))};
  }
  if (name.starts_with("embedding")) return {.deviation = spread.token};
  if (ends_with(name, "norm.weight")) return {.constant = 1.0};
  if (ends_with(name, "bias") || name == "output.weight") return {};
  const double variance = spread.weight / static_cast<double>(parameter.tensor.size(1));
  const bool adds_to_residual =
      ends_with(name, "attention.output.weight") || ends_with(name, "contract.weight");
  const double factor =
      adds_to_residual ? spread.residual / static_cast<double>(settings.layers) : 1.0;
  return {.deviation = std::sqrt(variance * factor)};
}

/// FNV-1a (Fowler, Noll, Vo), 64 bits.
std::uint64_t hash_of(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001B3U;
  return hash;
}

/// The values are a function of (seed, the tensor's name, their place in it), the same on every
/// machine; another layer moves no other tensor's values.
void fill_normal(const NamedTensor& parameter, double deviation, std::uint64_t seed) {
  const std::uint64_t hash = hash_of(parameter.name);
  const at::Tensor values = at::empty(parameter.tensor.sizes(), at::kFloat);
  const std::int64_t count = values.numel();
  auto* const value = values.data_ptr<float>();
  constexpr std::int64_t kPairsATask = 4096;
  at::parallel_for(0, (count + 1) / 2, kPairsATask, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pair = begin; pair < end; ++pair) {
      const auto normal = to_normal(
          philox(seed, {static_cast<std::uint32_t>(pair), static_cast<std::uint32_t>(pair >> 32),
                        static_cast<std::uint32_t>(hash), static_cast<std::uint32_t>(hash >> 32)}));
      value[2 * pair] = static_cast<float>(deviation * normal[0]);
      if (2 * pair + 1 < count) value[2 * pair + 1] = static_cast<float>(deviation * normal[1]);
    }
  });
  parameter.tensor.copy_(values);
}

}  // namespace

void initialise(const Transformer& model, std::uint64_t seed) {
  for (const NamedTensor& parameter : model.parameters()) {
    throw_if_stopped();
    const InitialValues values =
        initial_values(parameter, model.settings(), model.layout().axes.size());
    if (values.deviation == 0.0) {
      parameter.tensor.fill_(values.constant);
      continue;
    }
    fill_normal(parameter, values.deviation, seed);
  }
}

}  // namespace sparse_transformer
