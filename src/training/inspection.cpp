#include "training/inspection.h"

#include <algorithm>
#include <filesystem>

#include "attention/kernel_choice.h"
#include "config/characters.h"
#include "config/words.h"
#include "files/json.h"
#include "runtime/format.h"
#include "training/run_length.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

std::string shape_text(const std::vector<std::int64_t>& sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

std::string line(std::string name, const std::string& value, std::size_t column = 20) {
  name.resize(std::max(column, name.size() + 2), ' ');
  return printable(name + value) + "\n";
}

/// What the whole run costs.
std::string cost_text(const Inspection& inspection) {
  if (!inspection.steps) {
    return line("to the end", "not known before the data are opened: see train --dry-run");
  }
  const double flops = total_flops(inspection.settings, inspection.size, *inspection.steps);
  return line("to the end",
              format_count(*inspection.steps) + (*inspection.steps == 1 ? " step, " : " steps, ") +
                  format_power(flops) + " FLOPs: " + format_duration(seconds_on_h100(flops)) +
                  " of one H100 at " + format_fixed(100 * kAssumedShare, 0) + "% of its " +
                  format_fixed(kH100Flops / 1e12, 0) + " TFLOP/s (assumed)");
}

/// What the step would take with each choice.
std::string recompute_text(const Inspection& inspection) {
  std::string text;
  for (std::size_t i = 0; i < kRecomputeWords.size(); ++i) {
    const bool is_chosen = static_cast<Recompute>(i) == inspection.settings.training.recompute;
    text +=
        line("  recompute: " + std::string(kRecomputeWords.at(i)),
             format_bytes(inspection.memory_by_recompute.at(i)) + (is_chosen ? " (this)" : ""), 24);
  }
  return text;
}

std::string size_text(const Inspection& inspection) {
  const ModelSize& size = inspection.size;
  const std::int64_t n = inspection.settings.data.sequence_length();
  const double dense = static_cast<double>(n + 1) / 2;
  const TrainingSettings& training = inspection.settings.training;
  const std::int64_t sequences = training.sequences_at_a_time();
  return line("parameters", format_count(size.parameters)) +
         line("FLOPs a token", format_rate(size.flops_per_token) + ", forward and backward") +
         line("keys a query", format_fixed(size.attention_pairs_per_query, 1) + " of " +
                                  format_fixed(dense, 1) + " (" +
                                  format_fixed(100 * size.attention_pairs_per_query / dense, 2) +
                                  "%), mean over queries, heads and layers") +
         cost_text(inspection) + line("memory of a step", format_bytes(size.memory_bytes())) +
         line("  state", format_bytes(size.state_bytes) + ": weights, gradients, two moments" +
                             (training.average > 0 ? ", average" : "")) +
         line("  activations",
              format_bytes(size.activation_bytes) + ": " + std::to_string(sequences) +
                  (sequences == 1 ? " sequence of " : " sequences of ") + format_count(n) +
                  " at a time, " + word_of(kPrecisionWords, training.precision)) +
         recompute_text(inspection);
}

std::string progress_text(const TrainingProgress& progress) {
  std::string text = line("step", format_count(progress.step));
  if (progress.best_bits) {
    text += line("best validation", format_fixed(*progress.best_bits, 4) + " bits at step " +
                                        format_count(progress.best_step));
  }
  text += line("data", progress.data_hash);
  for (const auto& [what, value] : progress.machine) text += line(what, value);
  for (const auto& [part, kernel] : progress.kernels) {
    text += line("kernels", part_text(part) + " by " + word_of(kKernelKindWords, kernel));
  }
  return text;
}

/// The blocks are alike: the first stands for all.
std::string tensors_text(const Settings& settings) {
  const std::string first_block = "blocks.0.";
  constexpr std::size_t kColumn = 46;  // the longest name and a little
  std::string text = "tensors (" + std::to_string(settings.model.layers) + " blocks)\n";
  for (const TensorShape& shape : parameter_shapes(settings.model, sequence_layout(settings))) {
    std::string name = shape.name;
    if (name.starts_with(first_block)) name = "blocks.I." + name.substr(first_block.size());
    if (name.starts_with("blocks.") && !name.starts_with("blocks.I.")) continue;
    text += line("  " + name, shape_text(shape.sizes), kColumn);
  }
  return text;
}

}  // namespace

Inspection inspect(const std::vector<std::string>& paths,
                   const std::vector<std::string>& overrides) {
  Inspection inspection;
  std::error_code ignored;
  if (paths.size() == 1 && fs::exists(fs::path(paths.front()) / "manifest.json", ignored)) {
    inspection.progress = Checkpoint(paths.front()).progress();
  }
  inspection.settings = read_settings(open_config(paths, overrides));
  const TrainingSettings& training = inspection.settings.training;
  inspection.size =
      model_size(inspection.settings.model, sequence_layout(inspection.settings),
                 training.sequences_at_a_time(), training.average > 0, training.computation());
  inspection.steps = expected_steps(inspection.settings);
  for (std::size_t i = 0; i < kRecomputeWords.size(); ++i) {
    inspection.memory_by_recompute[i] =
        inspection.size.state_bytes + inspection.size.activation_bytes_by_recompute.at(i);
  }
  return inspection;
}

std::string inspection_text(const Inspection& inspection) {
  return size_text(inspection) + (inspection.progress ? progress_text(*inspection.progress) : "") +
         tensors_text(inspection.settings);
}

std::string inspection_json(const Inspection& inspection) {
  nlohmann::ordered_json json = {
      {"parameters", inspection.size.parameters},
      {"flops_per_token", inspection.size.flops_per_token},
      {"attention_pairs_per_query", inspection.size.attention_pairs_per_query},
      {"memory_bytes", inspection.size.memory_bytes()}};
  for (std::size_t i = 0; i < kRecomputeWords.size(); ++i) {
    json["memory_bytes_by_recompute"][std::string(kRecomputeWords.at(i))] =
        inspection.memory_by_recompute.at(i);
  }
  if (inspection.steps) {
    const double flops = total_flops(inspection.settings, inspection.size, *inspection.steps);
    json["steps"] = *inspection.steps;
    json["total_flops"] = flops;
    json["assumed_h100_seconds"] = seconds_on_h100(flops);
  }
  if (inspection.progress) json["step"] = inspection.progress->step;
  return json_text(json) + "\n";
}

}  // namespace sparse_transformer
