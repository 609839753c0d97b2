// Encoded sound as a stream of frames; a frame is one sample of every channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sparse_transformer {

struct AudioProperties {
  std::int64_t channels = 0;
  std::int64_t sample_rate = 0;  // frames a second
};

/// Throws UserError unless there are 1 to 64 channels and 1,000 to 768,000 frames a second.
void check_properties(const AudioProperties& found, const std::string& name);

/// Decodes one stream of sound.
class AudioDecoder {
 public:
  virtual ~AudioDecoder() = default;
  virtual const AudioProperties& properties() const = 0;
  /// Fills `out` (a whole number of frames, channels side by side, ±1 is full scale) and returns
  /// the number of frames: 0 at the end. Throws UserError for a damaged or cut file.
  virtual std::int64_t read(std::span<float> out) = 0;
  /// The bytes of the file after the stream. Requires that read() has returned 0.
  virtual std::span<const std::byte> rest() const = 0;
  /// A sentence about each field of the file that contradicts its sound. Requires what rest() does.
  virtual std::vector<std::string> warnings() const { return {}; }
};

}  // namespace sparse_transformer
