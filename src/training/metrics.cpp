#include "training/metrics.h"

#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "config/errors.h"
#include "config/scalars.h"
#include "files/atomic_file.h"
#include "files/error_message.h"
#include "files/json.h"
#include "files/png.h"
#include "files/system_files.h"
#include "runtime/log.h"
#include "training/limits.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;

bool is_step(const Json& json) {
  return json.is_number_unsigned() && std::cmp_less_equal(json.get<std::uint64_t>(), kMostSteps);
}

/// Whether a run in this state has written the line: half lines and those of later steps are not.
/// Of the step itself the line of training is there where no sums are left, and that of validation
/// where the step was evaluated.
bool is_of(const TrainingProgress& progress, const std::string& line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !is_step(json.value("step", Json()))) return false;
  const auto step = json["step"].get<std::int64_t>();
  if (step != progress.step) return step < progress.step;
  return json.contains("valid_bits") ? progress.evaluated == step : progress.unlogged.steps == 0;
}

/// metrics.jsonl of a folder, with no more lines than a run in this state has written.
std::filesystem::path cut_back(const std::filesystem::path& folder,
                               const TrainingProgress& progress) {
  std::filesystem::path path = folder / "metrics.jsonl";
  if (!std::filesystem::exists(path)) return path;
  const std::string text = read_file(path);
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (is_of(progress, line)) kept += line + "\n";
  }
  if (kept != text) write_file(path, kept);
  return path;
}

MetricsLine parse_line(const std::string& line, const std::string& place) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !is_step(json.value("step", Json()))) {
    throw UserError(place + ": expected an object with \"step\" and figures, got '" +
                    one_line(line) + "'");
  }
  MetricsLine result{.step = json["step"].get<std::int64_t>(), .figures = {}};
  for (const auto& [name, value] : json.items()) {
    if (name != "step" && value.is_number()) result.figures.emplace_back(name, value.get<double>());
  }
  return result;
}

}  // namespace

std::vector<MetricsLine> read_metrics(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  std::istringstream stream(text.substr(0, text.rfind('\n') + 1));
  std::vector<MetricsLine> lines;
  for (std::string line; std::getline(stream, line);) {
    const std::string place = path.string() + ":" + std::to_string(lines.size() + 1);
    lines.push_back(parse_line(line, place));
  }
  if (lines.empty()) {
    throw UserError(path.string() +
                    ": no figures yet; a run writes some every training.log_every steps");
  }
  return lines;
}

MetricsLog::MetricsLog(const std::filesystem::path& folder, const TrainingProgress& progress)
    : lines_(cut_back(folder, progress)), events_(folder, progress.step + 1) {
  flush_folder(folder);
}

void MetricsLog::add(std::int64_t step, const Figures& figures) {
  Json json;
  json["step"] = step;
  for (const auto& [name, value] : figures) json[name] = value;
  try_or_warn("figures are lost until it can be written again", [&] {
    lines_.append(json_text(json) + "\n");
    for (const auto& [name, value] : figures) events_.scalar(name, step, value);
  });
}

void MetricsLog::add_picture(std::int64_t step, const std::filesystem::path& png) {
  const std::string content = read_file(png);
  const auto bytes = std::as_bytes(std::span(content));
  const Image image = decode_png(bytes, png.string());
  events_.image("samples", step, bytes, image.width, image.height);
}

void MetricsLog::flush() {
  try_or_warn("a power cut may take the last figures", [&] {
    lines_.flush();
    events_.flush();
  });
}

template <typename Action>
void MetricsLog::try_or_warn(const std::string& consequence, const Action& action) {
  try {
    action();
    warned_ = false;
  } catch (const std::runtime_error& error) {
    if (!std::exchange(warned_, true)) {
      log_warning(error_message(error) + "; " + consequence);
    }
  }
}

}  // namespace sparse_transformer
