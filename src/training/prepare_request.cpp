#include "training/prepare_request.h"

#include <utility>
#include <vector>

#include "config/characters.h"
#include "config/config.h"
#include "config/errors.h"
#include "config/scalars.h"
#include "config/words.h"
#include "data/packed.h"
#include "data/survey.h"
#include "files/system_files.h"
#include "generation/output_file.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/shell.h"
#include "runtime/stop.h"
#include "runtime/task.h"
#include "training/run_inputs.h"
#include "training/settings.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

/// Throws WorldError where the packed file cannot fit on its disk.
void check_space(const fs::path& out, const DataSet& data) {
  const std::int64_t size = data.train->size() + data.valid->size() + data.test->size();
  std::error_code failed;
  const fs::space_info space = fs::space(folder_of(out), failed);
  if (failed || std::cmp_less_equal(size, space.available)) return;
  throw WorldError(out.string() + ": the packed data take " + format_bytes(size) +
                   ", the disk has " + format_bytes(static_cast<std::int64_t>(space.available)) +
                   " free");
}

std::string survey_text(const DataSurvey& found, const DataSet& data) {
  std::vector<std::vector<std::string>> rows = {
      {"split", "items", "tokens", "items that training has too"}};
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const SplitSurvey& row = found.splits.at(static_cast<std::size_t>(split));
    rows.push_back({word_of(kSplitWords, split), format_count(row.items), format_count(row.tokens),
                    split == Split::kTrain ? "-" : format_count(row.repeated)});
  }
  std::string text = format_table(rows, 1) +
                     "Entropy of single training tokens: " + format_fixed(found.entropy, 4) +
                     " bits.\n";
  for (const std::string& what : data.left_out) text += "Left out: " + printable(what) + "\n";
  for (const SkippedFile& file : data.skipped) text += "Skipped: " + printable(file.reason) + "\n";
  for (const std::string& what : data.warnings) text += "Warning: " + printable(what) + "\n";
  return text;
}

}  // namespace

std::string run_preparation(const PrepareRequest& request) {
  if (request.files.empty()) throw UserError("prepare: no CONFIG is given");
  check_output(request.out, request.overwrite);
  const Config config(request.files, request.overrides);
  const StopSignals stop_signals;
  const Settings settings = read_settings(config);
  // Packing over its own input would lose it; a packed file in a folder of data would be data the
  // next time.
  check_are_no_inputs({request.out}, inputs_of(config));
  const DataSet data = open_data(settings, config);
  check_space(request.out, data);
  const DataSurvey found = with_progress(
      "read", [&data](const DataProgress& progress) { return survey(data, progress); });
  with_progress("pack", [&](const DataProgress& progress) {
    pack_data(data, request.out, progress);
    return 0;
  });
  log_info("wrote " + request.out.string() + "; use it with --set data.source=packed --set " +
           shell_quoted("data.path=" + yaml_word(request.out.string())));
  return survey_text(found, data);
}

}  // namespace sparse_transformer
