#include "training/prepare_request.h"

#include <algorithm>

#include "config/config.h"
#include "config/errors.h"
#include "config/words.h"
#include "data/packed.h"
#include "data/splits.h"
#include "data/survey.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/stop.h"
#include "runtime/task.h"
#include "training/settings.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;

/// Whether the file is one of these paths, or lies in a folder that is.
bool is_among(const fs::path& file, const std::vector<std::string>& paths) {
  const fs::path whole = fs::weakly_canonical(file);
  return std::any_of(paths.begin(), paths.end(), [&whole](const std::string& path) {
    const fs::path folder = fs::weakly_canonical(path);
    return std::mismatch(folder.begin(), folder.end(), whole.begin(), whole.end()).first ==
           folder.end();
  });
}

/// Packing over its own input would lose it; a packed file in a folder of data would be data the
/// next time.
void check_is_no_input(const fs::path& out, const DataSettings& data) {
  if (is_among(out, data.path) || is_among(out, split_paths(data.split.valid)) ||
      is_among(out, split_paths(data.split.test))) {
    throw UserError(out.string() + " is among the data to pack; name another --out");
  }
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
  for (const std::string& what : data.left_out) text += "Left out: " + what + "\n";
  for (const std::string& what : data.warnings) text += "Warning: " + what + "\n";
  for (const SkippedFile& file : data.skipped) text += "Skipped: " + file.reason + "\n";
  return text;
}

}  // namespace

std::string run_preparation(const PrepareRequest& request) {
  const StopSignals stop_signals;
  if (request.files.empty()) throw UserError("prepare: no CONFIG is given");
  if (!request.overwrite && fs::exists(request.out)) {
    throw UserError(request.out.string() +
                    " exists already; name another --out, or give --overwrite");
  }
  const Config config(request.files, request.overrides);
  const Settings settings = read_settings(config);
  check_is_no_input(request.out, settings.data);
  const DataSet data = open_data(settings, config);
  const DataSurvey found = with_progress(
      "read", [&data](const DataProgress& progress) { return survey(data, progress); });
  with_progress("pack", [&](const DataProgress& progress) {
    pack_data(data, request.out, progress);
    return 0;
  });
  log_info("wrote " + request.out.string() +
           "; use it with data.source=packed data.path=" + request.out.string());
  return survey_text(found, data);
}

}  // namespace sparse_transformer
