// Standard MIDI Files, in memory, as notes. (libsmf reads past the end of a cut file, or aborts.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sparse_transformer {

struct MidiNote {
  std::int32_t track = 0;    // from 0
  std::int32_t channel = 0;  // 0 to 15; 9 is the drums
  std::int32_t pitch = 0;    // 0 to 127, in semitones; 60 = middle C
  std::int64_t start = 0;    // ticks from the beginning
  std::int64_t end = 0;      // likewise; not before start

  bool operator==(const MidiNote&) const = default;
};

struct MidiScore {
  std::int64_t ticks_per_quarter = 480;             // 1 to 32,767
  std::int64_t microseconds_per_quarter = 500'000;  // at the beginning; 120 quarters a minute
  std::vector<MidiNote> notes;                      // by start, track, channel and pitch
  std::string comment;                              // the first text event, UTF-8; empty = none

  // Of a file that was read:
  std::int64_t empty_notes = 0;      // left out: of no length, beside one of the same pitch
  std::int64_t tempo_changes = 0;    // after the beginning
  std::int64_t program_changes = 0;  // to another instrument; each channel begins with 0, a piano
  std::vector<std::string> warnings = {};  // what of the file is odd, a sentence each
};

constexpr std::int32_t kDrumChannel = 9;

/// A file of format 1 with as many tracks as the notes name; all notes equally loud. The same score
/// gives the same bytes. Throws std::logic_error for a note that does not fit the ranges above or
/// does not end after its start.
std::vector<std::byte> encode_midi(const MidiScore& score);

/// Reads the notes of a file of format 0 or 1, of all its tracks, each up to its end-of-track
/// event: a header that counts the tracks wrongly, a wrong size of a track and what follows its end
/// are warned of. A note-on ends the note of the same track, channel and pitch that sounds; a note
/// that never ends, ends with its track. Where one note ends and the next begins at the same tick,
/// their note-off and note-on may stand in either order. A note of no length is left out beside
/// another of the same channel and pitch that begins, sounds or ends at its tick.
///
/// `name` is for errors. Throws UserError for what is not one whole MIDI file, for one of format 2
/// (separate patterns) or timed in SMPTE frames, and beyond 16 MiB or 2^31 ticks.
MidiScore decode_midi(std::span<const std::byte> bytes, const std::string& name);

}  // namespace sparse_transformer
