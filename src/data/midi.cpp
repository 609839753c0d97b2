#include "data/midi.h"

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "data/decoding.h"
#include "data/score_grid.h"
#include "data/text.h"
#include "files/midi.h"

namespace sparse_transformer {

DataSet open_midi(const DataSettings& settings, const DataProgress& progress) {
  const ScoreGrid grid = {.voices = settings.midi.voices,
                          .steps_per_beat = settings.midi.steps_per_beat,
                          .drums = settings.midi.drums == Drums::kKeep};
  DataSet data;
  data.source = "midi " + paths_text(settings.path);
  data.format = {.kind = TokenFormat::Kind::kScore,
                 .shape = {},
                 .voices = grid.voices,
                 .steps_per_beat = grid.steps_per_beat,
                 .drums = grid.drums};
  std::mutex mutex;  // of `losses`; files are decoded by several threads
  ScoreLosses losses;
  const Decode decode = [&](const InputFile& file, const TokenSink& sink) {
    const MidiScore score = decode_midi(file.bytes, file.name);
    const ScoreCells found = cells_of(score, grid, file.name);
    sink(found.cells);
    const std::scoped_lock lock(mutex);
    losses += found.losses;
    std::vector<std::string> warnings;
    for (const std::string& warning : score.warnings) {
      warnings.push_back(file.name + ": " + warning);
    }
    return warnings;
  };
  data = open_decoded(settings, std::move(data), decode, progress);
  data.left_out = sentences(losses, grid);
  return data;
}

}  // namespace sparse_transformer
