#include "data/midi.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "data/decoding.h"
#include "data/score_grid.h"
#include "data/text.h"
#include "files/midi.h"

namespace sparse_transformer {

DataSet open_midi(const DataSettings& settings, const DataProgress& progress) {
  const ScoreGrid grid = {.voices = settings.midi.voices,
                          .steps_per_beat = settings.midi.steps_per_beat};
  DataSet data;
  data.source = "midi " + paths_text(settings.path);
  data.format = {.kind = TokenFormat::Kind::kScore,
                 .shape = {},
                 .voices = grid.voices,
                 .steps_per_beat = grid.steps_per_beat};
  std::atomic<std::int64_t> notes = 0, left_out = 0;
  const Decode decode = [&](const InputFile& file, const TokenSink& sink) {
    const ScoreCells found = cells_of(decode_midi(file.bytes, file.name), grid, file.name);
    sink(found.cells);
    notes += found.notes;
    left_out += found.left_out;
  };
  data = open_decoded(settings, std::move(data), decode, progress);
  if (left_out > 0) {
    data.left_out.push_back(
        std::to_string(left_out) + " of " + std::to_string(notes) +
        " notes: no voice was free (data.midi.voices: " + std::to_string(grid.voices) + ")");
  }
  return data;
}

}  // namespace sparse_transformer
