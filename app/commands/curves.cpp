#include "training/curves.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "app/commands/commands.h"
#include "generation/output_file.h"
#include "runtime/format.h"
#include "runtime/terminal.h"
#include "training/run_inputs.h"

namespace sparse_transformer {

namespace {

struct CurvesOptions {
  std::vector<std::string> runs;
  std::string out;
  bool overwrite = false;
};

void run_curves(const CurvesOptions& options) {
  check_picture_output(options.out, options.overwrite);
  std::vector<RunCurves> runs;
  for (const std::string& run : options.runs) {
    check_are_no_inputs({options.out}, inputs_of_run(run));
    runs.push_back(read_curves(run));
  }
  write_picture(options.out, draw_curves(runs));
  write_to_stdout(format_table(last_figures(runs), 1));
}

}  // namespace

void add_curves(CLI::App& app, Action& run) {
  const auto options = std::make_shared<CurvesOptions>();
  app.add_option("RUN", options->runs, "folders of runs, finished or going on")
      ->required()
      ->type_name("");
  app.add_option("-o,--out", options->out, "draw them here, as PNG")->required()->type_name("FILE");
  app.add_flag("--overwrite", options->overwrite, "replace an output that exists");
  app.footer(
      "Examples:\n"
      "  sparse-transformer curves runs/first --out curves.png\n"
      "  sparse-transformer curves runs/dense runs/strided --out curves.png --overwrite");
  run = [options] { run_curves(*options); };
}

}  // namespace sparse_transformer
