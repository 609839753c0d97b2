#include "training/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <sstream>

#include "config/errors.h"
#include "config/scalars.h"
#include "files/atomic_file.h"
#include "files/png.h"
#include "files/system_files.h"
#include "runtime/log.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t step_of(const std::string& line) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  constexpr std::int64_t kCutLine = std::numeric_limits<std::int64_t>::max();
  return json.is_object() ? json.value("step", kCutLine) : kCutLine;
}

void cut_back(const std::filesystem::path& path, std::int64_t step) {
  if (!std::filesystem::exists(path)) return;
  std::istringstream lines(read_file(path));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    if (step_of(line) <= step) kept += line + "\n";
  }
  write_file(path, kept);
}

MetricsLine parse_line(const std::string& line, const std::string& place) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) {
    throw UserError(place + ": expected an object with \"step\" and figures, got '" +
                    one_line(line) + "'");
  }
  MetricsLine result{.step = json["step"].get<std::int64_t>(), .figures = {}};
  for (const auto& [name, value] : json.items()) {
    if (name != "step" && value.is_number()) result.figures.emplace_back(name, value.get<double>());
  }
  return result;
}

void append(const std::filesystem::path& path, const std::string& line) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0) throw_file_error("write", path, errno);
  try {
    write_all(descriptor, std::as_bytes(std::span(line)), path);
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  ::close(descriptor);
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

MetricsLog::MetricsLog(const std::filesystem::path& folder, std::int64_t step)
    : lines_(folder / "metrics.jsonl"), events_(folder, step + 1) {
  cut_back(lines_, step);
}

void MetricsLog::add(std::int64_t step, const Figures& figures) {
  Json json;
  json["step"] = step;
  for (const auto& [name, value] : figures) json[name] = value;
  try {
    append(lines_, json.dump() + "\n");
    for (const auto& [name, value] : figures) events_.scalar(name, step, value);
  } catch (const std::runtime_error& error) {
    if (!warned_) log_warning(std::string(error.what()) + "; figures are lost from here on");
    warned_ = true;
  }
}

void MetricsLog::add_picture(std::int64_t step, const std::filesystem::path& png) {
  const std::string content = read_file(png);
  const auto bytes = std::as_bytes(std::span(content));
  const Image image = decode_png(bytes, png.string());
  events_.image("samples", step, bytes, image.width, image.height);
}

}  // namespace sparse_transformer
