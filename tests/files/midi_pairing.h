// Which note-off ends which note, told a second time: slowly, and from the whole list of events.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "files/midi.h"

namespace sparse_transformer {

/// A note-on or a note-off.
struct KeyEvent {
  std::int32_t track, channel, pitch;
  std::int64_t tick;
  bool is_on;
};

/// Events in the order of time, one a byte, so few keys and ticks that they meet.
inline std::vector<KeyEvent> key_events(std::span<const std::byte> bytes) {
  std::vector<KeyEvent> events;
  std::int64_t tick = 0;
  for (const std::byte byte : bytes) {
    const auto bits = std::to_integer<unsigned>(byte);
    const unsigned wait = bits >> 4U;
    tick += wait < 8 ? 0 : wait - 7;
    events.push_back({.track = static_cast<std::int32_t>(bits >> 3U & 1U),
                      .channel = (bits >> 2U & 1U) != 0 ? kDrumChannel : 0,
                      .pitch = static_cast<std::int32_t>(60 + (bits >> 1U & 1U)),
                      .tick = tick,
                      .is_on = (bits & 1U) != 0});
  }
  return events;
}

inline std::int64_t end_tick(const std::vector<KeyEvent>& events) {
  return events.empty() ? 0 : events.back().tick + 1;
}

/// A file of two tracks. A note ends by a note-off or by a note-on of no loudness, by turns.
inline std::string midi_of(const std::vector<KeyEvent>& events) {
  const auto number = [](std::int64_t value, int size) {
    std::string bytes;
    for (int i = size - 1; i >= 0; --i) bytes += static_cast<char>(value >> (8 * i));
    return bytes;
  };
  const auto delta = [](std::int64_t value) {
    std::string bytes(1, static_cast<char>(value & 0x7F));
    while ((value >>= 7) > 0) bytes.insert(bytes.begin(), static_cast<char>(0x80 | (value & 0x7F)));
    return bytes;
  };
  std::string file = "MThd" + number(6, 4) + number(1, 2) + number(2, 2) + number(96, 2);
  for (std::int32_t track = 0; track < 2; ++track) {
    std::string content;
    std::int64_t now = 0;
    bool is_loudness = false;
    for (const KeyEvent& event : events) {
      if (event.track != track) continue;
      is_loudness = !is_loudness;
      content += delta(event.tick - now);
      content += static_cast<char>((event.is_on || is_loudness ? 0x90 : 0x80) | event.channel);
      content += static_cast<char>(event.pitch);
      content += static_cast<char>(event.is_on ? 64 : 0);
      now = event.tick;
    }
    content += delta(end_tick(events) - now) + std::string("\xff\x2f\0", 3);
    file += "MTrk" + number(std::ssize(content), 4) + content;
  }
  return file;
}

/// Of the events of one key (a track's channel and pitch), by index.
struct KeyHistory {
  std::vector<KeyEvent> events;
  std::vector<bool> has_own_end;  // a note-off at the tick of this note-on is its own
  std::vector<bool> is_fresh;     // no note ended at the tick of this note-on

  /// In a tick, note-offs belong to notes in the order in which these began; the first is the one
  /// that sounds when the tick begins.
  void match_within_ticks() {
    has_own_end.assign(events.size(), false);
    is_fresh.assign(events.size(), false);
    bool sounds = false;
    bool may_have_ended = false;
    for (std::size_t begin = 0, end = 0; begin < events.size(); begin = end) {
      end = begin;
      while (end < events.size() && events[end].tick == events[begin].tick) ++end;
      const bool sounds_before = sounds && !(may_have_ended && events[begin].is_on);
      std::deque<std::size_t> waiting(sounds_before ? 1 : 0, events.size());
      std::size_t last_on = events.size();
      for (std::size_t i = begin; i < end; ++i) {
        if (events[i].is_on) {
          is_fresh[i] = !sounds_before && last_on == events.size();
          last_on = i;
          waiting.push_back(i);
        } else if (!waiting.empty()) {
          if (waiting.front() < events.size()) has_own_end[waiting.front()] = true;
          waiting.pop_front();
        }
      }
      may_have_ended = last_on < events.size() && has_own_end[last_on];
      sounds = last_on < events.size() && !(has_own_end[last_on] && is_fresh[last_on]);
    }
  }

  std::int64_t end_of(std::size_t on, std::int64_t end_of_track) const {
    const std::int64_t start = events[on].tick;
    if (has_own_end[on] && is_fresh[on]) return start;
    for (std::size_t i = on + 1; i < events.size(); ++i) {
      if (events[i].is_on) return has_own_end[on] ? start : events[i].tick;
      if (events[i].tick > start) return events[i].tick;
    }
    return has_own_end[on] ? start : end_of_track;
  }
};

/// What decode_midi() is to make of midi_of(events).
inline std::vector<MidiNote> notes_of_events(const std::vector<KeyEvent>& events) {
  std::map<std::tuple<int, int, int>, KeyHistory> keys;
  for (const KeyEvent& event : events) {
    keys[{event.track, event.channel, event.pitch}].events.push_back(event);
  }
  std::vector<MidiNote> all;
  for (auto& [key, history] : keys) {
    history.match_within_ticks();
    for (std::size_t i = 0; i < history.events.size(); ++i) {
      const KeyEvent& event = history.events[i];
      if (!event.is_on) continue;
      all.push_back({.track = event.track,
                     .channel = event.channel,
                     .pitch = event.pitch,
                     .start = event.tick,
                     .end = history.end_of(i, end_tick(events))});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const MidiNote& a, const MidiNote& b) {
    return std::tuple(a.start, a.track, a.channel, a.pitch) <
           std::tuple(b.start, b.track, b.channel, b.pitch);
  });
  std::vector<MidiNote> kept;
  for (const MidiNote& note : all) {
    const auto covers = [&note](const MidiNote& other) {
      return other.channel == note.channel && other.pitch == note.pitch &&
             other.start <= note.start && other.end >= note.start;
    };
    const bool is_covered = std::any_of(all.begin(), all.end(), [&](const MidiNote& other) {
      return other.start < other.end && covers(other);
    });
    const bool is_empty = note.start == note.end;
    if (is_empty && (is_covered || std::any_of(kept.begin(), kept.end(), covers))) continue;
    kept.push_back(note);
  }
  return kept;
}

}  // namespace sparse_transformer
