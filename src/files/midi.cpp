#include "files/midi.h"

#include <algorithm>
#include <array>
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
  Bytes(std::span<const std::byte> bytes, const std::string& name) : rest_(bytes), name_(name) {}

  bool is_empty() const { return rest_.empty(); }

  std::span<const std::byte> take(std::size_t count) {
    if (count > rest_.size()) fail("it is cut off");
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  std::string_view take_text(std::size_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
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
  /// The value of a channel's message: 7 bits.
  int data() {
    const int value = byte();
    if (value >= kPitches) fail("a value of more than 7 bits");
    return value;
  }
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
    throw UserError(name_ + " is not a whole MIDI file: " + reason);
  }

 private:
  std::span<const std::byte> rest_;
  const std::string& name_;
};

/// Reads the events of one track and adds its notes to the score.
class TrackReader {
 public:
  TrackReader(Bytes bytes, std::int32_t track, MidiScore& score)
      : bytes_(bytes), track_(track), score_(score) {
    begun_.fill(kSilent);
  }

  void read() {
    while (!has_ended_ && !bytes_.is_empty()) {
      now_ += bytes_.variable_length();
      if (now_ > kMaxTicks) bytes_.fail("longer than " + std::to_string(kMaxTicks) + " ticks");
      read_event();
    }
    for (int channel = 0; channel < kChannels; ++channel) {
      for (int pitch = 0; pitch < kPitches; ++pitch) end_note(channel, pitch);
    }
  }

 private:
  static constexpr std::int64_t kSilent = -1;

  void read_event() {
    // A channel's status byte may be left out where it is the one before.
    const int status = bytes_.peek() < 0x80 ? running_status_ : bytes_.byte();
    if (status == kMeta) {
      read_meta();
    } else if (status == kSysex || status == kEscape) {
      bytes_.take(bytes_.variable_length());
    } else if (status == 0 || status >= kSystem) {
      bytes_.fail("an event without a meaning");
    } else {
      running_status_ = status;
      read_message(status & 0xF0, status & 0x0F);
    }
  }

  void read_message(int kind, int channel) {
    const int first = bytes_.data();
    const int second = kind == kProgram || kind == kChannelPressure ? 0 : bytes_.data();
    const bool is_begun = kind == kNoteOn && second > 0;  // of no loudness, it ends one
    if (is_begun || kind == kNoteOn || kind == kNoteOff) end_note(channel, first);
    if (is_begun) begun(channel, first) = now_;
  }

  void read_meta() {
    const int type = bytes_.byte();
    const std::size_t size = bytes_.variable_length();
    if (type == kTempo && size == 3) {
      const std::uint32_t tempo = bytes_.number(3);
      if (now_ == 0 && tempo > 0) score_.microseconds_per_quarter = tempo;
    } else if (type == kText && score_.comment.empty()) {
      score_.comment = bytes_.take_text(size);
    } else {
      bytes_.take(size);
      has_ended_ = type == kEndOfTrack;
    }
  }

  void end_note(int channel, int pitch) {
    const std::int64_t start = std::exchange(begun(channel, pitch), kSilent);
    if (start == kSilent) return;
    score_.notes.push_back(
        {.track = track_, .channel = channel, .pitch = pitch, .start = start, .end = now_});
  }

  std::int64_t& begun(int channel, int pitch) {
    return begun_[static_cast<std::size_t>(channel) * kPitches + static_cast<std::size_t>(pitch)];
  }

  Bytes bytes_;
  std::int32_t track_;
  MidiScore& score_;
  std::array<std::int64_t, std::size_t{kChannels} * kPitches> begun_{};  // when; or kSilent
  std::int64_t now_ = 0;
  int running_status_ = 0;  // 0 = none yet
  bool has_ended_ = false;
};

struct Header {
  std::uint32_t format, tracks, ticks_per_quarter;
};

Header read_header(Bytes& bytes, const std::string& name) {
  if (bytes.take_text(4) != "MThd") throw UserError(name + " is not a MIDI file");
  const std::uint32_t size = bytes.number(4);
  if (size < 6) bytes.fail("its header is too short");
  Bytes chunk(bytes.take(size), name);
  const Header header = {chunk.number(2), chunk.number(2), chunk.number(2)};
  if (header.format > 1) {
    throw UserError(name + ": a MIDI file of format " + std::to_string(header.format) +
                    ", expected 0 or 1");
  }
  if (header.ticks_per_quarter == 0 || header.ticks_per_quarter >= 0x8000) {
    throw UserError(name + ": a MIDI file timed in SMPTE frames, expected ticks of a quarter note");
  }
  return header;
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
  for (std::uint32_t track = 0; track < header.tracks;) {
    const std::string_view kind = rest.take_text(4);
    const Bytes chunk(rest.take(rest.number(4)), name);
    if (kind != "MTrk") continue;  // chunks of other kinds are to be passed over
    TrackReader(chunk, static_cast<std::int32_t>(track), score).read();
    ++track;
  }
  sort_notes(score.notes);
  return score;
}

}  // namespace sparse_transformer
