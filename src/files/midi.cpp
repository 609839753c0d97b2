#include "files/midi.h"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>

#include "config/errors.h"

namespace sparse_transformer {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
constexpr std::int64_t kMaxTicks = std::int64_t{1} << 31;
constexpr std::int64_t kMaxDelta = 0x0FFFFFFF;  // a variable-length number has 4 × 7 bits
constexpr int kChannels = 16, kPitches = 128;

// The upper half of a status byte; the lower half is the channel.
constexpr int kNoteOff = 0x80, kNoteOn = 0x90, kProgram = 0xC0, kChannelPressure = 0xD0;
constexpr int kSystem = 0xF0;
// Whole status bytes, and the types of meta events.
constexpr int kSysex = 0xF0, kEscape = 0xF7, kMeta = 0xFF;
constexpr int kText = 0x01, kEndOfTrack = 0x2F, kTempo = 0x51;

/// What a channel's status byte announces, from kNoteOff on.
constexpr std::array<std::string_view, 7> kMessages = {
    "note-off",       "note-on",          "key pressure", "control change",
    "program change", "channel pressure", "pitch bend"};

void sort_notes(std::vector<MidiNote>& notes) {
  const auto key = [](const MidiNote& note) {
    return std::tuple(note.start, note.track, note.channel, note.pitch);
  };
  std::stable_sort(notes.begin(), notes.end(),
                   [&](const MidiNote& a, const MidiNote& b) { return key(a) < key(b); });
}

// ---- reading ----

/// Takes numbers off the front of some bytes; all are big-endian.
class Bytes {
 public:
  Bytes(std::span<const std::byte> bytes, const std::string& name) : rest_(bytes), name_(&name) {}

  bool is_empty() const { return rest_.empty(); }
  std::size_t size() const { return rest_.size(); }
  const std::string& name() const { return *name_; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(rest_.data()), rest_.size()};
  }

  std::span<const std::byte> take(std::size_t count) {
    if (count > rest_.size()) fail("it is cut off");
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  Bytes part(std::size_t count) {
    Bytes taken = *this;
    taken.rest_ = take(count);
    return taken;
  }
  std::string_view take_text(std::size_t count) { return part(count).text(); }
  int peek() const {
    if (rest_.empty()) fail("it is cut off");
    return std::to_integer<int>(rest_[0]);
  }
  std::uint32_t number(std::size_t size) {
    std::uint32_t value = 0;
    for (const std::byte byte : take(size))
      value = value << 8 | std::to_integer<std::uint32_t>(byte);
    return value;
  }
  int byte() { return static_cast<int>(number(1)); }
  /// 7 bits a byte, the highest first; all bytes but the last have their highest bit set.
  std::uint32_t variable_length() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const auto next = static_cast<std::uint32_t>(byte());
      value = value << 7 | (next & 0x7F);
      if (next < 0x80) return value;
    }
    fail("a number of more than 4 bytes");
  }
  [[noreturn]] void fail(const std::string& reason) const {
    throw UserError(*name_ + " is not a whole MIDI file: " + reason);
  }

 private:
  std::span<const std::byte> rest_;
  const std::string* name_;
};

/// The notes of one channel and pitch, as a track tells of them.
class Key {
 public:
  struct Sounded {
    std::int64_t start, end;
  };

  /// Returns the note that ends here, if one sounded.
  std::optional<Sounded> begin(std::int64_t now) {
    const std::optional<Sounded> ended = end_of_track(now);
    const bool has_own_end = has_own_end_;
    if (ended) last_end_ = ended->end;
    ends_owed_ = !ended || has_own_end ? 0 : (start_ == now ? ends_owed_ : 0) + 1;
    start_ = now;
    has_own_end_ = false;
    return ended;
  }

  /// Ends the note that began before. One that began at this tick, where another ended, is only
  /// ended where no later note-off does it: this note-off may be the other's.
  std::optional<Sounded> end(std::int64_t now) {
    if (start_ == kSilent) return std::nullopt;
    if (start_ == now && ends_owed_ > 0) {
      --ends_owed_;
      return std::nullopt;
    }
    if (start_ == now && last_end_ == now) {
      has_own_end_ = true;
      return std::nullopt;
    }
    last_end_ = now;
    return Sounded{std::exchange(start_, kSilent), now};
  }

  std::optional<Sounded> end_of_track(std::int64_t now) const {
    if (start_ == kSilent) return std::nullopt;
    return Sounded{start_, has_own_end_ ? start_ : now};
  }

 private:
  static constexpr std::int64_t kSilent = -1;

  std::int64_t start_ = kSilent;     // of the note that sounds
  std::int64_t last_end_ = kSilent;  // of the note before
  int ends_owed_ = 0;         // note-offs, at the tick of `start_`, of notes that another cut short
  bool has_own_end_ = false;  // a note-off of its own was met at the tick of `start_`
};

std::size_t key_of(int channel, int pitch) {
  return static_cast<std::size_t>(channel) * kPitches + static_cast<std::size_t>(pitch);
}

/// Reads the events of one track and adds its notes to the score.
class TrackReader {
 public:
  TrackReader(Bytes bytes, std::int32_t track, MidiScore& score)
      : bytes_(bytes), track_(track), score_(score) {}

  /// Reads up to the end-of-track event, or all where there is none.
  void read() {
    while (!has_ended_ && !bytes_.is_empty()) {
      now_ += bytes_.variable_length();
      if (now_ > kMaxTicks) bytes_.fail("longer than " + std::to_string(kMaxTicks) + " ticks");
      read_event();
    }
    for (int channel = 0; channel < kChannels; ++channel) {
      for (int pitch = 0; pitch < kPitches; ++pitch) {
        add_note(channel, pitch, key(channel, pitch).end_of_track(now_));
      }
    }
  }
  bool has_ended() const { return has_ended_; }
  const Bytes& unread() const { return bytes_; }

 private:
  void read_event() {
    // A channel's status byte may be left out where it is the one before.
    const int status = bytes_.peek() < 0x80 ? running_status_ : bytes_.byte();
    if (status == kMeta) {
      read_meta();
    } else if (status == kSysex || status == kEscape) {
      bytes_.take(bytes_.variable_length());
    } else if (status >= kSystem) {
      skip_system_message(status);
    } else if (status == 0) {
      bytes_.fail("an event without a meaning");
    } else {
      running_status_ = status;
      read_message(status & 0xF0, status & 0x0F);
    }
  }

  /// Messages between instruments, such as a clock's, which are not for files but are found there.
  void skip_system_message(int status) {
    switch (status) {
      case 0xF1:  // time code
      case 0xF3:  // song
        bytes_.take(1);
        return;
      case 0xF2:  // place in the song
        bytes_.take(2);
        return;
      case 0xF4:
      case 0xF5:
      case 0xF9:
      case 0xFD:
        bytes_.fail("an event without a meaning");
      default:
        return;
    }
  }

  void read_message(int kind, int channel) {
    const int first = read_value(kind);
    const int second = kind == kProgram || kind == kChannelPressure ? 0 : read_value(kind);
    if (kind == kNoteOn && second > 0) {
      add_note(channel, first, key(channel, first).begin(now_));
    } else if (kind == kNoteOn || kind == kNoteOff) {  // of no loudness, a note-on ends one
      add_note(channel, first, key(channel, first).end(now_));
    } else if (kind == kProgram) {
      int& program = programs_[static_cast<std::size_t>(channel)];
      score_.program_changes += std::exchange(program, first) == first ? 0 : 1;
    }
  }

  int read_value(int kind) {
    const int value = bytes_.byte();
    if (value < 0x80) return value;
    bytes_.fail("a value of " + std::to_string(value) + " in a " +
                std::string(kMessages.at(static_cast<std::size_t>((kind - kNoteOff) >> 4))) +
                ", expected 0 to 127");
  }

  void read_meta() {
    const int type = bytes_.byte();
    const std::size_t size = bytes_.variable_length();
    if (type == kTempo && size == 3) {
      read_tempo();
    } else if (type == kText && score_.comment.empty()) {
      score_.comment = bytes_.take_text(size);
    } else {
      bytes_.take(size);
      has_ended_ = type == kEndOfTrack;
    }
  }

  void read_tempo() {
    const std::uint32_t tempo = bytes_.number(3);
    if (now_ > 0) {
      ++score_.tempo_changes;
    } else if (tempo > 0) {
      score_.microseconds_per_quarter = tempo;
    }
  }

  void add_note(int channel, int pitch, const std::optional<Key::Sounded>& note) {
    if (!note) return;
    score_.notes.push_back({.track = track_,
                            .channel = channel,
                            .pitch = pitch,
                            .start = note->start,
                            .end = note->end});
  }

  Key& key(int channel, int pitch) { return keys_[key_of(channel, pitch)]; }

  Bytes bytes_;
  std::int32_t track_;
  MidiScore& score_;
  std::array<Key, std::size_t{kChannels} * kPitches> keys_{};
  std::array<int, kChannels> programs_{};
  std::int64_t now_ = 0;
  int running_status_ = 0;  // 0 = none yet
  bool has_ended_ = false;
};

struct Header {
  std::uint32_t format, tracks, ticks_per_quarter;
};

Header read_header(Bytes& bytes, const std::string& name) {
  if (bytes.text().starts_with("RIFF") && bytes.text().substr(0, 12).ends_with("RMID")) {
    throw UserError(name + ": a MIDI file inside a RIFF file (.rmi), expected a plain MIDI file");
  }
  if (bytes.take_text(4) != "MThd") throw UserError(name + " is not a MIDI file");
  const std::uint32_t size = bytes.number(4);
  if (size < 6) bytes.fail("its header is too short");
  Bytes chunk = bytes.part(size);
  const Header header = {chunk.number(2), chunk.number(2), chunk.number(2)};
  if (header.format > 1) {
    throw UserError(name + ": a MIDI file of format " + std::to_string(header.format) +
                    ", expected 0 or 1");
  }
  if (header.ticks_per_quarter >= 0x8000) {
    throw UserError(name + ": a MIDI file timed in SMPTE frames, expected ticks of a quarter note");
  }
  if (header.ticks_per_quarter == 0) {
    throw UserError(name +
                    ": a MIDI file with a division of 0 ticks a quarter note, expected 1 to "
                    "32767");
  }
  return header;
}

/// A track or another chunk.
struct Chunk {
  std::string_view kind;
  Bytes content;
  std::size_t stated_size;  // as its head says
  Bytes file;               // from the content on
};

/// The bytes of a track up to and with its end-of-track event; nothing where there is none.
std::optional<std::size_t> size_to_end(const Bytes& events) {
  MidiScore unused;
  TrackReader reader(events, 0, unused);
  try {
    reader.read();
  } catch (const UserError&) {
    return std::nullopt;
  }
  if (!reader.has_ended()) return std::nullopt;
  return events.size() - reader.unread().size();
}

/// Whether the file ends after so many bytes, or another chunk begins there: its kind is four
/// letters.
bool leads_to_chunk(const Bytes& bytes, std::size_t size) {
  if (size > bytes.size()) return false;
  const std::string_view kind = bytes.text().substr(size, 4);
  return std::all_of(kind.begin(), kind.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// Takes the next chunk; nothing where the rest is no whole one. A track's size that cannot be
/// right gives way to its end-of-track event.
std::optional<Chunk> take_chunk(Bytes& rest) {
  constexpr std::size_t kHead = 8;
  Bytes ahead = rest;
  if (ahead.size() < kHead) return std::nullopt;
  const std::string_view kind = ahead.take_text(4);
  const std::size_t stated_size = ahead.number(4);
  const Bytes file = ahead;
  std::size_t size = stated_size;
  if (kind == "MTrk" && !leads_to_chunk(file, size)) size = size_to_end(file).value_or(size);
  if (size > ahead.size()) return std::nullopt;
  const Bytes content = ahead.part(size);
  rest = ahead;
  return Chunk{kind, content, stated_size, file};
}

/// Reads a track up to its end-of-track event. Where the next chunk begins there, `rest` does, too:
/// the track's size was too large.
void read_track(const Chunk& chunk, std::int32_t track, MidiScore& score, Bytes& rest) {
  TrackReader reader(chunk.content, track, score);
  reader.read();
  std::size_t size = chunk.content.size();
  const std::size_t left = reader.unread().size();
  const std::string name = "track " + std::to_string(track + 1);
  if (reader.unread().text().starts_with("MTrk") || reader.unread().text().starts_with("MThd")) {
    size -= left;
    rest = chunk.file;
    rest.take(size);
  } else if (left > 0) {
    score.warnings.push_back(name + " has " + std::to_string(left) +
                             " bytes after its end, which are left out");
  }
  if (size != chunk.stated_size) {
    score.warnings.push_back(name + " has " + std::to_string(size) +
                             " bytes, though its header says " + std::to_string(chunk.stated_size));
  }
}

/// Reads all tracks, whatever the header says of their number. Chunks of other kinds are to be
/// passed over.
void read_tracks(Bytes rest, const Header& header, MidiScore& score) {
  std::uint32_t tracks = 0;
  while (!rest.is_empty()) {
    const auto chunk = take_chunk(rest);
    if (!chunk) {
      if (tracks < header.tracks || rest.text().starts_with("MTrk")) rest.fail("it is cut off");
      score.warnings.push_back(std::to_string(rest.size()) + " bytes after its last track");
      break;
    }
    if (chunk->kind == "MThd") {
      throw UserError(rest.name() + ": several MIDI files one after another, expected one");
    }
    if (chunk->kind != "MTrk") continue;
    read_track(*chunk, static_cast<std::int32_t>(tracks), score, rest);
    ++tracks;
  }
  if (tracks == 0 && header.tracks > 0) rest.fail("it has no track");
  if (tracks != header.tracks) {
    score.warnings.push_back("it has " + std::to_string(tracks) +
                             " tracks, though its header says " + std::to_string(header.tracks));
  }
}

/// Drops notes of no length where another of the same channel and pitch begins, sounds or ends.
void drop_empty_notes(MidiScore& score) {
  std::vector<std::int64_t> sounds_until(std::size_t{kChannels} * kPitches, -1);
  std::vector<MidiNote> kept;
  auto begun = score.notes.begin();  // what lies before has begun when `note` does
  for (const MidiNote& note : score.notes) {
    for (; begun != score.notes.end() && begun->start <= note.start; ++begun) {
      std::int64_t& until = sounds_until[key_of(begun->channel, begun->pitch)];
      if (begun->end > begun->start) until = std::max(until, begun->end);
    }
    std::int64_t& until = sounds_until[key_of(note.channel, note.pitch)];
    if (note.start == note.end && note.start <= until) continue;
    until = std::max(until, note.end);
    kept.push_back(note);
  }
  score.empty_notes = std::ssize(score.notes) - std::ssize(kept);
  score.notes = std::move(kept);
}

// ---- writing ----

void append_number(std::vector<std::byte>& out, std::int64_t value, int size) {
  for (int i = size - 1; i >= 0; --i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void append_text(std::vector<std::byte>& out, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_variable_length(std::vector<std::byte>& out, std::int64_t value) {
  if (value > kMaxDelta) throw std::logic_error("MIDI number " + std::to_string(value));
  for (int shift = 21; shift > 0; shift -= 7) {
    if (value >> shift != 0) out.push_back(static_cast<std::byte>(0x80 | (value >> shift & 0x7F)));
  }
  out.push_back(static_cast<std::byte>(value & 0x7F));
}

void append_meta(std::vector<std::byte>& out, int type, std::span<const std::byte> content) {
  append_variable_length(out, 0);
  append_number(out, kMeta, 1);
  append_number(out, type, 1);
  append_variable_length(out, std::ssize(content));
  out.insert(out.end(), content.begin(), content.end());
}

void check_note(const MidiNote& note) {
  const bool is_right = note.track >= 0 && note.channel >= 0 && note.channel < kChannels &&
                        note.pitch >= 0 && note.pitch < kPitches && note.start >= 0 &&
                        note.end > note.start && note.end <= kMaxTicks;
  if (is_right) return;
  throw std::logic_error("MIDI note of pitch " + std::to_string(note.pitch) + " from " +
                         std::to_string(note.start) + " to " + std::to_string(note.end) +
                         ", track " + std::to_string(note.track) + ", channel " +
                         std::to_string(note.channel));
}

void append_notes(std::vector<std::byte>& out, const std::vector<MidiNote>& notes,
                  std::int32_t track) {
  constexpr int kLoudness = 80;  // of 127
  struct Event {
    std::int64_t time;
    int status, pitch, loudness;
  };
  std::vector<Event> events;
  for (const MidiNote& note : notes) {
    if (note.track != track) continue;
    events.push_back({note.start, kNoteOn | note.channel, note.pitch, kLoudness});
    events.push_back({note.end, kNoteOff | note.channel, note.pitch, 0});
  }
  // At one time notes end (status 8x) before others begin (9x).
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::pair(a.time, a.status & 0xF0) < std::pair(b.time, b.status & 0xF0);
  });
  std::int64_t now = 0;
  for (const Event& event : events) {
    append_variable_length(out, event.time - std::exchange(now, event.time));
    for (const int byte : {event.status, event.pitch, event.loudness}) append_number(out, byte, 1);
  }
}

}  // namespace

std::vector<std::byte> encode_midi(const MidiScore& score) {
  std::int32_t tracks = 1;
  for (const MidiNote& note : score.notes) {
    check_note(note);
    tracks = std::max(tracks, note.track + 1);
  }
  std::vector<std::byte> file;
  append_text(file, "MThd");
  append_number(file, 6, 4);
  for (const std::int64_t value :
       {std::int64_t{1}, std::int64_t{tracks}, score.ticks_per_quarter}) {
    append_number(file, value, 2);
  }
  for (std::int32_t track = 0; track < tracks; ++track) {
    std::vector<std::byte> events;
    if (track == 0) {
      std::vector<std::byte> tempo;
      append_number(tempo, score.microseconds_per_quarter, 3);
      append_meta(events, kTempo, tempo);
      if (!score.comment.empty())
        append_meta(events, kText, std::as_bytes(std::span(score.comment)));
    }
    append_notes(events, score.notes, track);
    append_meta(events, kEndOfTrack, {});
    append_text(file, "MTrk");
    append_number(file, std::ssize(events), 4);
    file.insert(file.end(), events.begin(), events.end());
  }
  return file;
}

MidiScore decode_midi(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.size() > kMaxBytes) {
    throw UserError(name + ": " + std::to_string(bytes.size()) +
                    " bytes, expected a MIDI file of " + std::to_string(kMaxBytes) + " at most");
  }
  Bytes rest(bytes, name);
  const Header header = read_header(rest, name);
  MidiScore score;
  score.ticks_per_quarter = header.ticks_per_quarter;
  read_tracks(rest, header, score);
  sort_notes(score.notes);
  drop_empty_notes(score);
  return score;
}

}  // namespace sparse_transformer
