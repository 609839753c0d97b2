#include "data/audio.h"

#include <algorithm>
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
  const Decode decode = [sample_rate](const InputFile& file, const TokenSink& sink) {
    return decode_recording(file, sample_rate, sink);
  };
  return open_decoded(settings, std::move(data), decode, progress);
}

}  // namespace sparse_transformer
