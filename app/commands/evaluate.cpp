#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands/commands.h"
#include "app/option_values.h"
#include "runtime/terminal.h"
#include "training/evaluate_request.h"

namespace sparse_transformer {

void add_evaluate(CLI::App& app, Action& run) {
  const auto request = std::make_shared<EvaluateRequest>();
  app.add_option("RUN", request->model, "a run's folder (its best checkpoint), or a checkpoint")
      ->required()
      ->type_name("");
  add_choice(app, "--split", request->split, kSplitWords, "what to score")->type_name("SPLIT");
  add_numbers_or_word(
      app, "--min-context", request->min_contexts, "paper", request->papers_contexts,
      "streams: tokens that must stand before each scored one, in overlapping windows; one number "
      "or several, M[,M...], which give a table; paper: those of the paper's table 3, 1/2, 3/4, "
      "7/8, 31/32, 63/64 and 95/96 of n")
      ->type_name("M");
  app.add_option("--set", request->overrides,
                 "a setting of the checkpoint's config, such as data.path=FILE")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--json", request->json, "one JSON object on stdout");
  app.footer(
      "Examples:\n"
      "  sparse-transformer evaluate runs/first --split valid\n"
      "  sparse-transformer evaluate runs/first/checkpoints/latest --min-context 0,512,960\n"
      "  sparse-transformer evaluate runs/enwik8 --min-context paper");
  run = [request] { write_to_stdout(run_evaluation(*request)); };
}

}  // namespace sparse_transformer
