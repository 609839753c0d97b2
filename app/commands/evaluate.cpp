#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "app/commands/commands.h"
#include "runtime/terminal.h"
#include "training/evaluate_request.h"

namespace sparse_transformer {

void add_evaluate(CLI::App& app, Action& run) {
  const auto request = std::make_shared<EvaluateRequest>();
  app.add_option("RUN", request->model, "a run's folder (its best checkpoint), or a checkpoint")
      ->required()
      ->type_name("");
  static const std::map<std::string, Split> splits = {
      {"train", Split::kTrain}, {"valid", Split::kValid}, {"test", Split::kTest}};
  app.add_option("--split", request->split, "what to score: train, valid or test (default: test)")
      ->type_name("SPLIT")
      ->transform(CLI::CheckedTransformer(splits).description(""));
  app.add_option("--min-context", request->min_contexts,
                 "streams: tokens that must stand before each scored one, in overlapping windows; "
                 "one number or several, M[,M...]")
      ->type_name("M")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--set", request->overrides,
                 "a setting of the checkpoint's config, such as data.path=FILE")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--json", request->json, "one JSON object on stdout");
  run = [request] { write_to_stdout(run_evaluation(*request)); };
}

}  // namespace sparse_transformer
