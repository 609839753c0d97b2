#include "files/audio_decoder.h"

#include "config/errors.h"

namespace sparse_transformer {

void check_properties(const AudioProperties& found, const std::string& name) {
  constexpr std::int64_t kMaxChannels = 64;
  constexpr std::int64_t kMinRate = 1'000, kMaxRate = 768'000;
  if (found.channels < 1 || found.channels > kMaxChannels) {
    throw UserError(name + ": " + std::to_string(found.channels) +
                    " channels of sound, expected 1 to " + std::to_string(kMaxChannels));
  }
  if (found.sample_rate < kMinRate || found.sample_rate > kMaxRate) {
    throw UserError(name + ": sound of " + std::to_string(found.sample_rate) +
                    " samples a second, expected " + std::to_string(kMinRate) + " to " +
                    std::to_string(kMaxRate));
  }
}

}  // namespace sparse_transformer
