#include "training/report.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "app/commands/commands.h"
#include "app/version.h"
#include "files/atomic_file.h"
#include "generation/output_file.h"
#include "runtime/log.h"
#include "training/run_inputs.h"

namespace sparse_transformer {

namespace {

struct ReportOptions {
  std::string run;
  std::string out;
  bool overwrite = false;
};

void run_report(const ReportOptions& options) {
  check_output(options.out, options.overwrite);
  check_are_no_inputs({options.out}, inputs_of_run(options.run));
  const std::string version = version_text();
  write_file(options.out, report_html(options.run, version.substr(0, version.find('\n'))));
  log_info("wrote " + options.out);
}

}  // namespace

void add_report(CLI::App& app, Action& run) {
  const auto options = std::make_shared<ReportOptions>();
  app.add_option("RUN", options->run, "the folder of a run, finished or going on")
      ->required()
      ->type_name("");
  app.add_option("-o,--out", options->out, "the page to write, x.html: all is in this one file")
      ->required()
      ->type_name("FILE");
  app.add_flag("--overwrite", options->overwrite, "replace an output that exists");
  app.footer(
      "Example:\n"
      "  sparse-transformer report runs/latest --out report.html");
  run = [options] { run_report(*options); };
}

}  // namespace sparse_transformer
