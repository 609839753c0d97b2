#include "data/midi.h"

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
  const Decode decode = [grid](const InputFile& file, const TokenSink& sink) {
    sink(cells_of(decode_midi(file.bytes, file.name), grid, file.name));
  };
  return open_decoded(settings, std::move(data), decode, progress);
}

}  // namespace sparse_transformer
