#include "training/preview.h"

#include <string>

#include "data/batches.h"
#include "data/codec.h"
#include "files/system_files.h"
#include "generation/sampler.h"

namespace sparse_transformer {

std::filesystem::path write_preview(const Transformer& model, const Settings& settings,
                                    const TokenFormat& format, const RunFolder& run,
                                    std::int64_t step) {
  const SamplingSettings sampling{.count = settings.training.sample_count,
                                  .batch = settings.training.sample_count,
                                  .prime = {},
                                  .choice = {},
                                  .seed = static_cast<std::uint64_t>(settings.training.seed)};
  Samples samples;
  draw_samples(model, sampling, samples);
  auto path = run.samples(step, sample_extension(format));
  make_folder(path.parent_path());
  write_samples(path, format, samples,
                {{"Software", "sparse-transformer"}, {"Step", std::to_string(step)}});
  return path;
}

void write_first_batch(const Settings& settings, const DataSet& data,
                       const std::filesystem::path& path) {
  const std::int64_t length = settings.data.sequence_length();
  const TrainingSequences sequences(data, length,
                                    static_cast<std::uint64_t>(settings.training.seed));
  Samples examples;
  for (std::int64_t i = 0; i < settings.training.sample_count; ++i) {
    examples.push_back(sequences.read(i, 1));
  }
  write_samples(path, data.format, examples, {{"Software", "sparse-transformer"}});
}

void write_training_examples(const Settings& settings, const DataSet& data, const RunFolder& run) {
  const std::filesystem::path folder = run.path() / "samples";
  make_folder(folder);
  write_first_batch(settings, data,
                    folder / ("training" + std::string(sample_extension(data.format))));
}

}  // namespace sparse_transformer
