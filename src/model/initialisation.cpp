#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <functional>
#include <string_view>

#include "model/transformer.h"

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

}  // namespace

void initialise(const Transformer& model, std::uint64_t seed) {
  for (const NamedTensor& parameter : model.parameters()) {
    const InitialValues values =
        initial_values(parameter, model.settings(), model.layout().axes.size());
    if (values.deviation == 0.0) {
      parameter.tensor.fill_(values.constant);
      continue;
    }
    // A generator a tensor: adding a layer moves no other tensor's values.
    at::Generator generator =
        at::detail::createCPUGenerator(seed ^ (std::hash<std::string>{}(parameter.name) | 1U));
    parameter.tensor.normal_(0.0, values.deviation, generator);
  }
}

}  // namespace sparse_transformer
