#include "training/preview.h"

#include <algorithm>

#include "config/scalars.h"
#include "data/batches.h"
#include "data/codec.h"
#include "files/system_files.h"
#include "generation/sampler.h"
#include "runtime/format.h"
#include "training/contact_sheet.h"

namespace sparse_transformer {
namespace {

TrainingSequences training_sequences(const Settings& settings, const DataSet& data) {
  return {data,
          settings.data.sequence_length(),
          static_cast<std::uint64_t>(settings.training.seed),
          {settings.data.transpose, settings.data.mirror}};
}

}  // namespace

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
  const Metadata text = {{"Software", "sparse-transformer"}, {"Step", std::to_string(step)}};
  const auto write = [&](std::string_view extension) {
    auto path = run.samples(step, extension);
    write_samples(path, format, samples, text,
                  {.columns = 0, .caption = "step " + format_count(step)});
    return path;
  };
  make_folder(run.path() / "samples");
  if (is_drawable(format)) {
    write(".png");
    write_contact_sheet(run);
  }
  return write(sample_extension(format));
}

std::filesystem::path write_training_examples(const Settings& settings, const DataSet& data,
                                              const RunFolder& run) {
  const TrainingSequences sequences = training_sequences(settings, data);
  Samples examples;
  for (std::int64_t i = 0; i < settings.training.sample_count; ++i) {
    examples.push_back(sequences.read(i, 1));
  }
  const std::filesystem::path folder = run.path() / "samples";
  make_folder(folder);
  const auto write = [&](std::string_view extension) {
    const auto path = folder / ("training" + std::string(extension));
    write_samples(path, data.format, examples, {{"Software", "sparse-transformer"}});
    return path;
  };
  if (is_drawable(data.format)) write(".png");
  return write(sample_extension(data.format));
}

std::string beginning_of_first_example(const Settings& settings, const DataSet& data) {
  const std::vector<std::uint8_t> tokens = training_sequences(settings, data).read(0, 1);
  if (data.format.kind == TokenFormat::Kind::kBytes) {
    return "the text " + one_line(std::string(tokens.begin(), tokens.end()));
  }
  constexpr std::size_t kShown = 16;
  std::string numbers;
  for (std::size_t i = 0; i < std::min(kShown, tokens.size()); ++i) {
    numbers.append(i == 0 ? "" : " ").append(std::to_string(tokens[i]));
  }
  return "the tokens " + numbers;
}

}  // namespace sparse_transformer
