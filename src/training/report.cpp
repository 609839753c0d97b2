#include "training/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "attention/pattern_counts.h"
#include "config/errors.h"
#include "files/atomic_file.h"
#include "files/html.h"
#include "files/png.h"
#include "generation/pattern_drawing.h"
#include "runtime/format.h"
#include "training/chart.h"
#include "training/checkpoint.h"
#include "training/inspection.h"
#include "training/metrics.h"
#include "training/run_folder.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --page: #fff; --ink: #1c2128; --soft: #5c6570; --grid: #e2e5e9;
  --panel: #f6f7f9; --one: #0072b2; --two: #d55e00; --three: #009e73; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --ink: #e4e8ec; --soft: #9aa4af;
  --grid: #30363d; --panel: #1d2127; --one: #56b4e9; --two: #f0883e; --three: #3fcf9f; } }
body { margin: 2rem auto; max-width: 84rem; padding: 0 1.5rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--grid); padding-bottom: .25rem; }
p, figcaption, td, th { color: var(--soft); }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1rem; }
.figures div { background: var(--panel); border-radius: .5rem; padding: .6rem 1rem; }
.figures b { display: block; font-size: 1.2rem; }
.figures span { color: var(--soft); font-size: .85rem; }
.grid-of { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; background: var(--panel); border-radius: .5rem; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg .title { font-size: 14px; font-weight: 600; fill: var(--ink); }
svg .grid { stroke: var(--grid); fill: none; }
svg path.line-1, svg path.line-2, svg path.line-3 { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg path.line-1 { stroke: var(--one); } svg path.line-2 { stroke: var(--two); } svg path.line-3 { stroke: var(--three); }
svg circle.line-1, svg text.line-1 { fill: var(--one); }
svg circle.line-2, svg text.line-2 { fill: var(--two); }
svg circle.line-3, svg text.line-3 { fill: var(--three); }
figure { margin: 0; } figcaption { font-size: .85rem; }
img { max-width: 100%; height: auto; image-rendering: pixelated; background: #fff; border-radius: .25rem; }
img.drawing { image-rendering: auto; }
audio { width: 100%; }
pre { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; overflow-x: auto; font-size: .82rem;
  max-height: 24rem; white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: .9rem; } td, th { text-align: left; padding: .15rem 1.5rem .15rem 0; }
)";

std::string section(const std::string& title, const std::string& content) {
  return content.empty() ? "" : "<h2>" + escape_html(title) + "</h2>\n" + content;
}

std::string figure_tile(const std::string& value, const std::string& name) {
  return "<div><b>" + escape_html(value) + "</b><span>" + escape_html(name) + "</span></div>\n";
}

/// The values of one figure, by step.
ChartLine line_of(const std::vector<MetricsLine>& metrics, const std::string& figure,
                  const std::string& name, bool marked = false) {
  ChartLine line{name, {}, marked};
  for (const MetricsLine& at : metrics) {
    for (const auto& [key, value] : at.figures) {
      if (key == figure) line.points.emplace_back(static_cast<double>(at.step), value);
    }
  }
  return line;
}

std::string charts(const std::vector<MetricsLine>& metrics) {
  const std::vector<Chart> all = {
      {"Bits a byte",
       {line_of(metrics, "train_bits", "training"),
        line_of(metrics, "valid_bits", "validation", true)},
       4,
       true},
      {"Learning rate", {line_of(metrics, "learning_rate", "")}, 6},
      {"Gradient norm", {line_of(metrics, "gradient_norm", "")}, 3},
      {"Tokens a second", {line_of(metrics, "tokens_per_second", "")}, 0},
      {"Loss scale", {line_of(metrics, "loss_scale", "")}, 0}};
  std::string html;
  for (const Chart& chart : all) html += chart_svg(chart);
  return html.empty() ? "" : "<div class=\"grid-of\">\n" + html + "</div>\n";
}

/// Where the run has come to.
std::string state(const std::vector<MetricsLine>& metrics, const Inspection& inspection) {
  std::string html = figure_tile(format_count(inspection.size.parameters), "parameters");
  if (!metrics.empty()) {
    const std::optional<std::int64_t> steps = inspection.settings.training.steps;
    html += figure_tile(format_count(metrics.back().step),
                        steps ? "steps of " + format_count(*steps) : "steps");
    const auto train = line_of(metrics, "train_bits", "").points;
    if (!train.empty()) {
      html += figure_tile(format_fixed(train.back().second, 4), "bits a byte in training");
    }
    const auto valid = line_of(metrics, "valid_bits", "").points;
    if (!valid.empty()) {
      const auto [step, bits] =
          *std::ranges::min_element(valid, {}, &std::pair<double, double>::second);
      html += figure_tile(format_fixed(bits, 4), "bits a byte in validation, best at step " +
                                                     format_count(std::llround(step)));
    }
  }
  html +=
      figure_tile(format_fixed(inspection.size.attention_pairs_per_query, 1),
                  "keys a query of " + format_count(inspection.settings.data.sequence_length()));
  return "<div class=\"figures\">\n" + html + "</div>\n";
}

std::string embedded(const fs::path& file, const std::string& media_type) {
  const std::string content = read_file(file);
  return data_address(media_type, std::as_bytes(std::span(content)));
}

/// One file of samples as an element of the page; empty for a kind that no page shows.
std::string sample_element(const fs::path& file) {
  const std::string ending = file.extension().string();
  if (ending == ".png") return R"(<img alt="" src=")" + embedded(file, "image/png") + "\">";
  if (ending == ".wav" || ending == ".flac") {
    const std::string type = "audio/" + ending.substr(1);
    return "<audio controls src=\"" + embedded(file, type) + "\"></audio>";
  }
  if (ending == ".mid") {
    return "<a download=\"" + escape_html(file.filename().string()) + "\" href=\"" +
           embedded(file, "audio/midi") + "\">" + escape_html(file.filename().string()) + "</a>";
  }
  if (ending == ".txt") {
    constexpr std::size_t kShown = 4000;
    const std::string text = read_file(file);
    return "<pre>" + escape_html(std::string_view(text).substr(0, kShown)) +
           (text.size() > kShown ? "…" : "") + "</pre>";
  }
  return "";
}

/// All files of one sampling in one figure; empty where no page shows them.
std::string sample_figure(const std::vector<fs::path>& files, const std::string& caption) {
  std::string elements;
  for (const fs::path& file : files) {
    if (fs::exists(file)) elements += sample_element(file);
  }
  if (elements.empty()) return "";
  return "<figure>" + elements + "<figcaption>" + escape_html(caption) + "</figcaption></figure>\n";
}

/// The newest first.
std::string samples(const RunFolder& run) {
  constexpr std::size_t kMost = 12;
  constexpr std::array kEndings = {".png", ".wav", ".flac", ".mid", ".txt"};
  std::string html;
  std::vector<std::int64_t> steps = run.sampled_steps(kMost);
  std::reverse(steps.begin(), steps.end());
  for (const std::int64_t step : steps) {
    std::vector<fs::path> files;
    for (const char* ending : kEndings) files.push_back(run.samples(step, ending));
    html += sample_figure(files, "step " + format_count(step));
  }
  std::vector<fs::path> examples;
  for (const char* ending : kEndings) {
    examples.push_back(run.path() / "samples" / (std::string("training") + ending));
  }
  html += sample_figure(examples, "for comparison: training data");
  return html.empty() ? "" : "<div class=\"grid-of\">\n" + html + "</div>\n";
}

std::string pattern(const Settings& settings) {
  const SequenceLayout layout = sequence_layout(settings);
  const PatternCounts counts =
      count_patterns(layer_patterns(settings.model.attention, settings.model.layers,
                                    settings.model.heads, layout.length),
                     layout.length);
  const std::vector<std::byte> png = encode_png(draw_pattern(counts, layout, {}), {});
  return R"(<img class="drawing" alt="who attends to whom" src=")" +
         data_address("image/png", png) + "\">\n";
}

/// Nothing where there is no checkpoint, or a run that goes on has dropped it just now.
std::map<std::string, std::string> machine_of(const RunFolder& folder) {
  const auto newest = folder.newest_checkpoint();
  if (!newest) return {};
  try {
    return read_state(*newest).progress.machine;
  } catch (const UserError&) {
    if (fs::exists(*newest)) throw;
    return {};
  }
}

std::string machine(const RunFolder& folder, const std::string& program) {
  std::string rows;
  const auto row = [&rows](const std::string& name, const std::string& value) {
    rows += "<tr><th>" + escape_html(name) + "</th><td>" + escape_html(value) + "</td></tr>\n";
  };
  for (const auto& [name, value] : machine_of(folder)) row(name, value);
  row("this page", program);
  return "<table>\n" + rows + "</table>\n";
}

}  // namespace

std::string report_html(const fs::path& run, const std::string& program) {
  const RunFolder folder(run);
  folder.check_is_run();
  std::vector<MetricsLine> metrics;
  if (fs::exists(run / "metrics.jsonl")) metrics = read_metrics(run / "metrics.jsonl");
  const Inspection inspection = inspect({run.string()}, {});
  const std::string name = folder.path().filename().string();
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         escape_html(name) + "</title>\n<style>" + std::string(kStyle) +
         "</style>\n</head>\n<body>\n<h1>" + escape_html(name) + "</h1>\n" +
         state(metrics, inspection) + section("Learning", charts(metrics)) +
         section("Samples", samples(folder)) + section("Attention", pattern(inspection.settings)) +
         section("Settings",
                 "<pre>" + escape_html(read_file(folder.config_to_read())) + "</pre>\n") +
         section("Machine", machine(folder, program)) + "</body>\n</html>\n";
}

}  // namespace sparse_transformer
