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

/// Writes samples as a file of their kind, which it returns, and where that is no picture, but they
/// can be drawn, as one too. `path` comes without an extension.
std::filesystem::path write_with_drawing(const std::filesystem::path& path,
                                         const TokenFormat& format, const Samples& samples,
                                         const Metadata& text, const PictureLayout& layout) {
  const auto write = [&](std::string_view extension) {
    const std::filesystem::path file = path.string() + std::string(extension);
    write_samples(file, format, samples, text, layout);
    return file;
  };
  const std::string_view usual = sample_extension(format);
  if (is_drawable(format) && usual != ".png") write(".png");
  return write(usual);
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
  make_folder(run.path() / "samples");
  auto path =
      write_with_drawing(run.samples(step, ""), format, samples,
                         {{"Software", "sparse-transformer"}, {"Step", std::to_string(step)}},
                         {.columns = 0, .caption = "step " + format_count(step)});
  if (is_drawable(format)) write_contact_sheet(run);
  return path;
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
  return write_with_drawing(folder / "training", data.format, examples,
                            {{"Software", "sparse-transformer"}}, {});
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
