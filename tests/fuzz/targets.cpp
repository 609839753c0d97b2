#include "tests/fuzz/targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/errors.h"
#include "data/data_settings.h"
#include "data/packed.h"
#include "data/score_grid.h"
#include "files/archive.h"
#include "files/audio.h"
#include "files/midi.h"
#include "files/numpy.h"
#include "files/picture.h"
#include "files/png.h"
#include "tests/files/midi_pairing.h"
#include "training/training_state.h"

namespace sparse_transformer {

namespace {

using Content = std::span<const std::byte>;

/// A file of these bytes that lies in memory, for readers of paths.
class FileInMemory {
 public:
  explicit FileInMemory(Content bytes) : number_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (::write(number_, bytes.data(), bytes.size()) != std::ssize(bytes)) {
      throw std::runtime_error("no memory for a file");
    }
  }
  FileInMemory(const FileInMemory&) = delete;
  FileInMemory& operator=(const FileInMemory&) = delete;
  ~FileInMemory() { ::close(number_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(number_); }

 private:
  int number_;
};

void read_png(Content bytes) {
  decode_png(bytes, "x");
  read_png_text(bytes, "x");
}

void read_picture(Content bytes) {
  std::vector<std::string> warnings;
  decode_picture(bytes, "x", 0, &warnings);
}

void read_sound(Content bytes) {
  SoundReader reader(bytes, "x", 8000);
  std::vector<std::int16_t> samples(4096);
  // Some formats hold hours of silence in a few bytes; what is beyond is read like what is before.
  constexpr int kBlocks = 1000;
  for (int i = 0; i < kBlocks && reader.read(samples) > 0; ++i) {
  }
}

void read_midi(Content bytes) {
  cells_of(decode_midi(bytes, "x"), {.voices = 4, .steps_per_beat = 4}, "x");
}

/// A file of these note-ons and note-offs against a second implementation of their pairing.
void pair_notes(Content bytes) {
  constexpr std::size_t kMost = 500;  // the second implementation is slow
  const std::vector<KeyEvent> events = key_events(bytes.first(std::min(kMost, bytes.size())));
  const std::string file = midi_of(events);
  if (decode_midi(std::as_bytes(std::span(file)), "x").notes != notes_of_events(events)) {
    throw std::logic_error("other notes than the second implementation's");
  }
}

void read_array(Content bytes) { read_numpy(bytes, "x").description(); }

void read_archive(Content bytes) {
  if (!is_archive(bytes)) return;
  ArchiveReader reader("x", bytes);
  std::size_t expanded = 0;
  constexpr std::size_t kEnough = 64U << 20U;
  while (reader.next_file()) {  // names are labels only: nothing is ever written under them
    reader.read([&expanded](Content piece) {
      expanded += piece.size();
      if (expanded > kEnough) throw UserError("enough");
    });
  }
}

void read_packed(Content bytes) {
  const FileInMemory file(bytes);
  DataSettings settings;
  settings.source = DataSource::kPacked;
  settings.path = {file.path()};
  open_packed(settings);
}

void read_config(Content bytes) {
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  DataSettings settings;
  Config::from_text(text, "x", {}).read(settings);
}

/// What parse_state() lets through must be a state that it would let through again.
void read_training_state(Content bytes) {
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const TrainingProgress progress = parse_state(text, "x");
  check_format(progress.format);
  const std::string written = state_text(progress);
  if (state_text(parse_state(written, "x")) != written) {
    throw std::logic_error("a state changes as it is written and read");
  }
}

/// The chunks of a WAV file, and the claims of their sizes, where most files are cut or patched.
void read_wav(Content bytes) {
  std::vector<std::byte> file;
  for (const char* tag : {"RIFF", "WAVE"}) {
    const auto letters = std::as_bytes(std::span(tag, 4));
    file.insert(file.end(), letters.begin(), letters.end());
    if (file.size() == 4) file.insert(file.end(), 4, std::byte{0xff});
  }
  file.insert(file.end(), bytes.begin(), bytes.end());
  read_sound(file);
}

}  // namespace

std::span<const FuzzTarget> fuzz_targets() {
  static constexpr std::array targets = {
      FuzzTarget{"archive", read_archive}, FuzzTarget{"config", read_config},
      FuzzTarget{"midi", read_midi},       FuzzTarget{"midi_pairing", pair_notes},
      FuzzTarget{"numpy", read_array},     FuzzTarget{"packed", read_packed},
      FuzzTarget{"picture", read_picture}, FuzzTarget{"png", read_png},
      FuzzTarget{"sound", read_sound},     FuzzTarget{"state", read_training_state},
      FuzzTarget{"wav", read_wav}};
  return targets;
}

void feed(const FuzzTarget& target, Content bytes) {
  try {
    target.read(bytes);
  } catch (const UserError&) {
    // refused, as it may be
  }
}

}  // namespace sparse_transformer
