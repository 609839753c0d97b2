#include "data/score_grid.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "config/errors.h"
#include "data/token_data.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kMaxSteps = std::int64_t{1} << 20;

using Part = std::pair<std::int32_t, std::int32_t>;  // what one track plays on one channel

/// The notes, the highest first of those that begin at one step, and the part of each.
struct QuantisedScore {
  std::vector<GridNote> notes;  // of no voice yet
  std::vector<Part> parts;
};

QuantisedScore quantise(const MidiScore& score, const ScoreGrid& grid) {
  const auto nearest_step = [&](std::int64_t tick) {
    return (2 * tick * grid.steps_per_beat + score.ticks_per_quarter) /
           (2 * score.ticks_per_quarter);
  };
  std::vector<std::pair<GridNote, Part>> notes;
  for (const MidiNote& note : score.notes) {
    if (note.channel == kDrumChannel && !grid.drums) continue;
    const std::int64_t start = nearest_step(note.start);
    const std::int64_t end = std::max(start + 1, nearest_step(note.end));
    notes.push_back({{.voice = 0, .start = start, .end = end, .pitch = note.pitch},
                     {note.track, note.channel}});
  }
  std::stable_sort(notes.begin(), notes.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.first.start, -a.first.pitch) < std::tuple(b.first.start, -b.first.pitch);
  });
  QuantisedScore quantised;
  for (const auto& [note, part] : notes) {
    quantised.notes.push_back(note);
    quantised.parts.push_back(part);
  }
  return quantised;
}

/// The voice of each part, where parts are voices.
std::optional<std::map<Part, std::int64_t>> voices_of_parts(const QuantisedScore& score,
                                                            std::int64_t voices) {
  struct Sum {
    double pitches = 0.0, notes = 0.0;
    std::int64_t end = 0;
  };
  std::map<Part, Sum> sums;
  for (std::size_t i = 0; i < score.notes.size(); ++i) {
    const GridNote& note = score.notes[i];
    Sum& sum = sums[score.parts[i]];
    if (note.start < sum.end) return std::nullopt;
    sum = {sum.pitches + note.pitch, sum.notes + 1.0, note.end};
  }
  if (std::cmp_not_equal(sums.size(), voices)) return std::nullopt;
  std::vector<std::pair<double, Part>> order;
  for (const auto& [part, sum] : sums) order.emplace_back(-sum.pitches / sum.notes, part);
  std::sort(order.begin(), order.end());
  std::map<Part, std::int64_t> found;
  for (const auto& [height, part] : order) found.emplace(part, std::ssize(found));
  return found;
}

/// Gives each note the first voice that is free when it begins, and drops those that find none.
std::vector<GridNote> dealt(const std::vector<GridNote>& notes, std::int64_t voices) {
  std::vector<std::int64_t> free_from(static_cast<std::size_t>(voices), 0);
  std::vector<GridNote> placed;
  for (GridNote note : notes) {
    const auto free = std::find_if(free_from.begin(), free_from.end(),
                                   [&note](std::int64_t step) { return step <= note.start; });
    if (free == free_from.end()) continue;
    *free = note.end;
    note.voice = free - free_from.begin();
    placed.push_back(note);
  }
  return placed;
}

std::vector<GridNote> notes_in_voices(const QuantisedScore& score, std::int64_t voices) {
  const auto by_part = voices_of_parts(score, voices);
  if (!by_part) return dealt(score.notes, voices);
  std::vector<GridNote> notes = score.notes;
  for (std::size_t i = 0; i < notes.size(); ++i) notes[i].voice = by_part->at(score.parts[i]);
  return notes;
}

[[noreturn]] void refuse_empty(const MidiScore& score, const std::string& name) {
  if (score.notes.empty()) throw UserError(name + ": a score without notes");
  throw UserError(name +
                  ": only drums (channel 10), which data.midi.drums leaves out; keep reads them "
                  "as notes");
}

/// "12 changes of tempo"
std::string changes_text(std::int64_t count, const std::string& what) {
  return std::to_string(count) + (count == 1 ? " change" : " changes") + " of " + what;
}

}  // namespace

ScoreLosses& ScoreLosses::operator+=(const ScoreLosses& other) {
  notes += other.notes;
  drums += other.drums;
  empty += other.empty;
  voiceless += other.voiceless;
  tempo_changes += other.tempo_changes;
  program_changes += other.program_changes;
  return *this;
}

std::vector<std::string> sentences(const ScoreLosses& losses, const ScoreGrid& grid) {
  std::vector<std::string> found;
  const auto add_notes = [&](std::int64_t count, const std::string& why) {
    if (count == 0) return;
    found.push_back(std::to_string(count) + " of " + std::to_string(losses.notes) +
                    " notes: " + why);
  };
  add_notes(losses.drums, "drums, channel 10 (data.midi.drums: leave)");
  add_notes(losses.empty, "of no length, beside another of the same pitch");
  add_notes(losses.voiceless,
            "no voice was free (data.midi.voices: " + std::to_string(grid.voices) + ")");
  if (losses.tempo_changes > 0) {
    found.push_back(changes_text(losses.tempo_changes, "tempo: time is counted in beats"));
  }
  if (losses.program_changes > 0) {
    found.push_back(
        changes_text(losses.program_changes, "program: instruments are not told apart"));
  }
  return found;
}

ScoreCells cells_of(const MidiScore& score, const ScoreGrid& grid, const std::string& name) {
  const QuantisedScore quantised = quantise(score, grid);
  if (quantised.notes.empty()) refuse_empty(score, name);
  const std::vector<GridNote> notes = notes_in_voices(quantised, grid.voices);
  std::int64_t steps = 0;
  for (const GridNote& note : notes) steps = std::max(steps, note.end);
  if (steps > kMaxSteps) {
    throw UserError(name + ": a score of " + std::to_string(steps) + " time steps, expected " +
                    std::to_string(kMaxSteps) + " at most");
  }
  std::vector<std::uint8_t> cells(static_cast<std::size_t>(steps * grid.voices), kRest);
  for (const GridNote& note : notes) {
    for (std::int64_t step = note.start; step < note.end; ++step) {
      cells[static_cast<std::size_t>(step * grid.voices + note.voice)] =
          step == note.start ? static_cast<std::uint8_t>(note.pitch) : kHold;
    }
  }
  return {.cells = std::move(cells),
          .losses = {.notes = std::ssize(score.notes) + score.empty_notes,
                     .drums = std::ssize(score.notes) - std::ssize(quantised.notes),
                     .empty = score.empty_notes,
                     .voiceless = std::ssize(quantised.notes) - std::ssize(notes),
                     .tempo_changes = score.tempo_changes,
                     .program_changes = score.program_changes}};
}

std::vector<GridNote> notes_of(std::span<const std::uint8_t> cells, std::int64_t voices) {
  std::vector<GridNote> notes;
  for (std::int64_t voice = 0; voice < voices; ++voice) {
    bool sounds = false;
    for (std::int64_t i = voice; i < std::ssize(cells); i += voices) {
      const std::uint8_t cell = cells[static_cast<std::size_t>(i)];
      const std::int64_t step = i / voices;
      if (sounds && cell == kHold) {
        notes.back().end = step + 1;
      } else {
        sounds = cell < kHold;
        if (sounds)
          notes.push_back({.voice = voice, .start = step, .end = step + 1, .pitch = cell});
      }
    }
  }
  return notes;
}

}  // namespace sparse_transformer
