#include "training/attention_request.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "config/errors.h"
#include "config/words.h"
#include "data/codec.h"
#include "generation/attention_drawing.h"
#include "generation/output_file.h"
#include "generation/sequence_grid.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/stop.h"
#include "training/run_inputs.h"
#include "training/trained_model.h"

namespace sparse_transformer {
namespace {

struct Reading {
  std::vector<std::uint8_t> tokens;  // at least one, at most n
  std::string what;                  // for the log
};

DataSet open_data_or_advise(const TrainedModel& trained) {
  try {
    return open_data(trained.settings, trained.config);
  } catch (const UserError& error) {
    throw UserError(std::string(error.what()) + "; without the data, name a file with --prime");
  }
}

Reading first_of_validation(const TrainedModel& trained, const std::vector<std::string>& overrides,
                            std::int64_t n) {
  const DataSet data = open_data_or_advise(trained);
  warn_of_other_data(trained, data, overrides);
  const Split split = data.valid->size() > 0 ? Split::kValid : Split::kTrain;
  const Tokens& tokens = data.split(split);
  const std::vector<std::int64_t> starts = tokens.part_starts();
  const std::int64_t first_end = starts.size() > 1 ? starts[1] : tokens.size();
  std::vector<std::uint8_t> first(static_cast<std::size_t>(std::min(n, first_end)));
  tokens.read(0, first);
  return {.tokens = std::move(first),
          .what = "the first of the " + word_of(kSplitWords, split) + " split of " + data.source};
}

Reading what_to_read(const AttentionRequest& request, const TrainedModel& trained, std::int64_t n) {
  if (!request.prime) return first_of_validation(trained, request.overrides, n);
  std::vector<std::uint8_t> tokens = read_prime(*request.prime, trained.format, log_warning);
  tokens.resize(std::min(tokens.size(), static_cast<std::size_t>(n)));
  return {.tokens = std::move(tokens), .what = request.prime->string()};
}

/// Throws WorldError for weights that draw nothing but not-a-number.
void check_finite(const TrainedModel& trained) {
  for (const NamedTensor& weight : trained.model->parameters()) {
    if (at::isfinite(weight.tensor).all().item<bool>()) continue;
    throw WorldError(trained.checkpoint.string() + ": tensor " + weight.name +
                     " is not finite: these weights have diverged");
  }
}

std::string table(const std::vector<AttentionMap>& maps, const SequenceGrid& grid) {
  std::vector<std::vector<std::string>> rows = {
      {"pattern", "strongest key", "layer", "head", "position", "keys", "spread over", "most"}};
  for (const AttentionMap& map : maps) {
    const auto strongest = map.strongest();
    rows.push_back(
        {map.pattern, strongest ? grid.place(map.query.keys[*strongest]) : "-",
         std::to_string(map.layer), std::to_string(map.head), std::to_string(map.position),
         std::to_string(map.query.keys.size()), format_fixed(map.spread(), 1),
         strongest ? format_fixed(static_cast<double>(map.query.weights[*strongest]), 3) : "-"});
  }
  constexpr std::size_t kTextColumns = 2;
  return format_table(rows, kTextColumns);
}

}  // namespace

std::string run_attention(const AttentionRequest& request) {
  const StopSignals stop_signals;
  check_picture_output(request.out, request.overwrite);
  TrainedModel trained = find_trained_model(request.model, request.overrides);
  check_are_no_inputs({request.out}, inputs_of_run(trained.checkpoint));
  check_are_no_inputs({request.out}, inputs_of(trained.config));
  if (request.prime) check_are_no_inputs({request.out}, {*request.prime});
  const SequenceLayout layout = sequence_layout(trained.settings);
  const Reading reading = what_to_read(request, trained, layout.length);
  const AttentionChoice choice = spread_choice(request.choice, trained.settings.model, layout,
                                               static_cast<std::int64_t>(reading.tokens.size()));
  load_weights(trained);
  check_finite(trained);
  log_info("reads " + reading.what);
  const std::vector<AttentionMap> maps = trace_attention(*trained.model, reading.tokens, choice);
  write_picture(request.out, draw_attention(maps, choice, layout, reading.tokens));
  return table(maps, SequenceGrid(layout));
}

}  // namespace sparse_transformer
