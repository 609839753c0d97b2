#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "app/commands/commands.h"
#include "app/commands/config_arguments.h"
#include "app/option_values.h"
#include "attention/pattern_counts.h"
#include "config/errors.h"
#include "files/json.h"
#include "generation/output_file.h"
#include "generation/pattern_drawing.h"
#include "runtime/terminal.h"
#include "training/run_inputs.h"
#include "training/settings.h"

namespace sparse_transformer {

namespace {

struct PatternOptions {
  ConfigArguments config;
  std::optional<std::string> out;
  DrawingChoice choice;
  bool overwrite = false;
  bool json = false;
};

std::string counts_json(const PatternCounts& counts) {
  nlohmann::ordered_json json = {{"length", counts.length},
                                 {"attention_pairs_per_query", counts.pairs_per_query},
                                 {"share_of_dense", counts.share_of_dense},
                                 {"connected", counts.connected},
                                 {"groups", nlohmann::ordered_json::array()}};
  for (const GroupCounts& group : counts.groups) {
    json["groups"].push_back({{"pattern", group.group.name},
                              {"layers", group.layers},
                              {"first_head", group.group.first_head},
                              {"heads", group.group.heads},
                              {"stride", group.stride},
                              {"pairs", group.pairs},
                              {"pairs_per_query", group.pairs_per_query},
                              {"share_of_dense", group.share_of_dense},
                              {"empty_queries", group.empty_queries}});
  }
  return json_text(json) + "\n";
}

void run_pattern(const PatternOptions& options) {
  if (options.config.files.empty())
    throw UserError("pattern: no CONFIG, run or checkpoint is given");
  const Config config = open_config(options.config.files, options.config.overrides);
  const Settings settings = read_settings(config);
  const SequenceLayout layout = sequence_layout(settings);
  const PatternCounts counts =
      count_patterns(layer_patterns(settings.model.attention, settings.model.layers,
                                    settings.model.heads, layout.length),
                     layout.length);
  if (options.out) {
    check_picture_output(*options.out, options.overwrite);
    check_are_no_inputs({*options.out}, inputs_of(config));
    for (const std::string& folder : options.config.files) {
      check_are_no_inputs({*options.out}, inputs_of_run(folder));
    }
    write_picture(*options.out, draw_pattern(counts, layout, options.choice));
  }
  write_to_stdout(options.json ? counts_json(counts) : counts_table(counts));
}

}  // namespace

void add_pattern(CLI::App& app, Action& run) {
  const auto options = std::make_shared<PatternOptions>();
  add_config_or_run_arguments(app, options->config);
  app.add_option("-o,--out", options->out,
                 "draw it here, as PNG; without, only the counts are printed")
      ->type_name("FILE");
  app.add_flag("--overwrite", options->overwrite, "replace an output that exists");
  add_number(app, "--layer", options->choice.layer, "draw this layer only, counted from 0")
      ->type_name("LAYER");
  add_number(app, "--position", options->choice.position,
             "whose keys to draw (default: one below the middle)")
      ->type_name("POSITION");
  app.add_flag("--json", options->json, "the counts as one JSON object");
  app.footer(
      "The paper: strided for data with a period that the stride fits (pictures, music), fixed for "
      "text.\n"
      "\n"
      "Examples:\n"
      "  sparse-transformer pattern configs/cifar10.yaml --out pattern.png\n"
      "  sparse-transformer pattern runs/first --layer 1 --out layer.png");
  run = [options] { run_pattern(*options); };
}

}  // namespace sparse_transformer
