// Encoded sound as a stream of frames; a frame is one sample of every channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sparse_transformer {

struct AudioProperties {
  std::int64_t channels = 0;
  std::int64_t sample_rate = 0;  // frames a second
  std::string comment;           // UTF-8; empty = none
};

class AudioDecoder {
 public:
  virtual ~AudioDecoder() = default;
  virtual const AudioProperties& properties() const = 0;
  /// Fills `out` (a whole number of frames, channels side by side, ±1 is full scale) and returns
  /// how many frames were there: 0 at the end. Throws UserError for a damaged or cut file.
  virtual std::int64_t read(std::span<float> out) = 0;
};

}  // namespace sparse_transformer
