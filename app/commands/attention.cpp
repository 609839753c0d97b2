#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/commands/commands.h"
#include "app/option_values.h"
#include "runtime/terminal.h"
#include "training/attention_request.h"

namespace sparse_transformer {

namespace {

struct AttentionOptions : AttentionRequest {
  std::string prime_file;
};

}  // namespace

void add_attention(CLI::App& app, Action& run) {
  const auto options = std::make_shared<AttentionOptions>();
  app.add_option("RUN", options->model, "a run's folder (its best checkpoint), or a checkpoint")
      ->required()
      ->type_name("");
  app.add_option("-o,--out", options->out, "draw it here, as PNG")->required()->type_name("FILE");
  add_numbers(app, "--layer", options->choice.layers,
              "layers counted from 0, L[,L...]; without, a few of all")
      ->type_name("L");
  add_numbers(app, "--head", options->choice.heads,
              "heads counted from 0, H[,H...]; without, a few of all")
      ->type_name("H");
  add_numbers(app, "--position", options->choice.positions,
              "whose keys to draw, P[,P...]; without, four")
      ->type_name("P");
  app.add_option("--prime", options->prime_file,
                 "what the model reads (default: the first of the validation split)")
      ->type_name("FILE");
  app.add_flag("--overwrite", options->overwrite, "replace an output that exists");
  app.add_option("--set", options->overrides,
                 "a setting of the checkpoint's config, such as data.path=FILE")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.footer(
      "Examples:\n"
      "  sparse-transformer attention runs/first --out attention.png\n"
      "  sparse-transformer attention runs/first --prime one.png --layer 0,1 --out heads.png");
  run = [options] {
    if (!options->prime_file.empty()) options->prime = options->prime_file;
    write_to_stdout(run_attention(*options));
  };
}

}  // namespace sparse_transformer
