#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/commands/commands.h"
#include "app/option_values.h"
#include "training/sample_request.h"

namespace sparse_transformer {

namespace {

struct SampleOptions : SampleRequest {
  std::string prime_file;
  bool without_metadata = false;
};

}  // namespace

void add_sample(CLI::App& app, Action& run) {
  const auto options = std::make_shared<SampleOptions>();
  app.add_option("RUN", options->model, "a run's folder (its best checkpoint), or a checkpoint")
      ->required()
      ->type_name("");
  app.add_option(
         "-o,--out", options->out,
         "the file to write: .png for pictures, .wav for sound; - for stdout, where several texts "
         "each stand below a line \"---- sample K ----\"")
      ->required()
      ->type_name("FILE");
  add_number(app, "-n,--count", options->count, "how many samples")->type_name("N");
  add_number(app, "--batch", options->batch, "samples drawn side by side")->type_name("N");
  add_number(app, "--length", options->length, "tokens a sample, at most the model's n; 0 = n")
      ->type_name("T");
  add_number(app, "--temperature", options->choice.temperature,
             "below 1 more cautious, above 1 wilder; 0 takes the most likely token")
      ->type_name("T");
  add_number(app, "--top-k", options->choice.top_k, "draw from the K most likely tokens; 0 = all")
      ->type_name("K");
  add_number(app, "--top-p", options->choice.top_p,
             "draw from the fewest tokens that hold this probability")
      ->type_name("P");
  add_number(app, "--seed", options->seed, "other seeds give other samples")->type_name("S");
  app.add_option("--prime", options->prime_file,
                 "complete this file: the first half of a picture or sound, all of a text")
      ->type_name("FILE");
  add_number(app, "--prime-length", options->prime_length,
             "tokens of the prime to use; 0 = as --prime says")
      ->type_name("T");
  app.add_flag("--separate", options->separate, "a picture each, not all on one");
  app.add_flag("--overwrite", options->overwrite, "replace an output that exists");
  app.add_flag("--no-metadata", options->without_metadata,
               "leave the sampling settings out of the file");
  app.add_option("--set", options->overrides,
                 "a setting of the checkpoint's config, such as training.device=cpu")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.footer(
      "Examples:\n"
      "  sparse-transformer sample runs/first --out samples.png --count 16\n"
      "  sparse-transformer sample runs/book --out on.txt --prime start.txt --temperature 0.8");
  run = [options] {
    if (!options->prime_file.empty()) options->prime = options->prime_file;
    options->metadata = !options->without_metadata;
    run_sampling(*options);
  };
}

}  // namespace sparse_transformer
