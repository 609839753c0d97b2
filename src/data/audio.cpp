#include "data/audio.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "data/decoding.h"
#include "data/mu_law.h"
#include "data/text.h"
#include "files/audio.h"

namespace sparse_transformer {

namespace {

/// Decodes one file and returns the reader's warnings.
std::vector<std::string> decode_recording(const InputFile& file, std::int64_t sample_rate,
                                          const TokenSink& sink) {
  constexpr std::size_t kBlock = 1 << 16;
  SoundReader reader(file.bytes, file.name, sample_rate);
  std::vector<std::int16_t> samples(kBlock);
  std::vector<std::uint8_t> codes(kBlock);
  while (const std::size_t count = reader.read(samples)) {
    std::transform(samples.data(), samples.data() + count, codes.data(), mu_law_encode);
    sink(std::span(codes).first(count));
  }
  return reader.warnings();
}

}  // namespace

DataSet open_audio(const DataSettings& settings, const DataProgress& progress) {
  const std::int64_t sample_rate = settings.audio.sample_rate;
  DataSet data;
  data.source = "audio " + paths_text(settings.path);
  data.format = {.kind = TokenFormat::Kind::kSound, .shape = {}, .sample_rate = sample_rate};
  std::vector<std::string> warnings;
  std::mutex mutex;  // of `warnings`
  const Decode decode = [&](const InputFile& file, const TokenSink& sink) {
    const std::vector<std::string> found = decode_recording(file, sample_rate, sink);
    const std::scoped_lock lock(mutex);
    warnings.insert(warnings.end(), found.begin(), found.end());
  };
  data = open_decoded(settings, std::move(data), decode, progress);
  std::sort(warnings.begin(), warnings.end());
  data.warnings = std::move(warnings);
  return data;
}

}  // namespace sparse_transformer
