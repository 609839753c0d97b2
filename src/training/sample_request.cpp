#include "training/sample_request.h"

#include <algorithm>
#include <utility>

#include "config/errors.h"
#include "data/codec.h"
#include "files/json.h"
#include "generation/output_file.h"
#include "generation/sampler.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/progress.h"
#include "runtime/stop.h"
#include "runtime/terminal.h"
#include "training/run_inputs.h"
#include "training/trained_model.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

bool to_stdout(const SampleRequest& request) { return request.out == "-"; }

/// One picture has room for all samples.
bool is_one_file(const SampleRequest& request, const TokenFormat& format) {
  const bool is_drawn = is_drawable(format) && is_picture_name(request.out);
  return request.count == 1 || to_stdout(request) || (is_drawn && !request.separate);
}

/// out.png → out-3.png
fs::path numbered(const fs::path& out, std::int64_t number) {
  return out.parent_path() /
         (out.stem().string() + "-" + std::to_string(number) + out.extension().string());
}

std::vector<fs::path> output_files(const SampleRequest& request, const TokenFormat& format) {
  if (is_one_file(request, format)) return {request.out};
  std::vector<fs::path> files;
  for (std::int64_t i = 1; i <= request.count; ++i) files.push_back(numbered(request.out, i));
  return files;
}

void check_out_option(const SampleRequest& request, const TrainedModel& trained) {
  if (to_stdout(request)) return;
  if (!fs::path(request.out).has_filename()) {
    throw UserError("--out: got '" + request.out + "', expected a file's name, or - for stdout");
  }
  check_extension(request.out, trained.format);
  const std::vector<fs::path> files = output_files(request, trained.format);
  check_outputs(files, request.overwrite);
  std::vector<fs::path> inputs = inputs_of_run(trained.checkpoint);
  if (request.prime) inputs.emplace_back(*request.prime);
  check_are_no_inputs(files, inputs);
}

std::vector<std::uint8_t> prime_tokens(const SampleRequest& request, const TokenFormat& format,
                                       std::int64_t length) {
  if (!request.prime) return {};
  std::vector<std::uint8_t> tokens = read_prime(*request.prime, format, log_warning);
  const auto size = static_cast<std::int64_t>(tokens.size());
  std::int64_t used = request.prime_length;
  if (used == 0) {
    used = format.kind == TokenFormat::Kind::kBytes
               ? size
               : std::max<std::int64_t>(
                     1, static_cast<std::int64_t>(request.prime_share * static_cast<double>(size)));
  }
  if (used < 0 || used > size) {
    throw UserError("--prime-length " + std::to_string(used) + ": " + request.prime->string() +
                    " has " + std::to_string(size) + " tokens");
  }
  if (used >= length) {
    throw UserError(request.prime->string() + ": a prime of " + std::to_string(used) +
                    " tokens leaves nothing to sample in a sequence of " + std::to_string(length) +
                    "; shorten it with --prime-length");
  }
  tokens.resize(static_cast<std::size_t>(used));
  return tokens;
}

/// What to draw, with all checks that need no weights.
SamplingSettings checked_sampling(const SampleRequest& request, const TrainedModel& trained) {
  if (request.seed < 0) {
    throw UserError("--seed: " + std::to_string(request.seed) + " is not at least 0");
  }
  SamplingSettings sampling{.count = request.count,
                            .batch = request.batch,
                            .length = request.length,
                            .choice = request.choice,
                            .seed = static_cast<std::uint64_t>(request.seed)};
  sampling.length = sample_length(sampling, sequence_layout(trained.settings).length);
  check_out_option(request, trained);
  sampling.prime = prime_tokens(request, trained.format, sampling.length);
  return sampling;
}

/// How the file came about, for the file itself. `which`: what of the samples is in it, as the
/// count of all or the number of one: a sample's own file does not depend on how many were drawn.
Metadata describe(const SampleRequest& request, const TrainedModel& trained,
                  const std::pair<std::string, std::size_t>& which) {
  if (!request.metadata) return {};
  nlohmann::ordered_json json = {{"checkpoint", trained.checkpoint.string()},
                                 {"step", trained.step},
                                 {"weights", trained.weights()},
                                 {"seed", request.seed},
                                 {which.first, which.second},
                                 {"temperature", request.choice.temperature},
                                 {"top_k", request.choice.top_k},
                                 {"top_p", request.choice.top_p}};
  if (request.length > 0) json["length"] = request.length;
  if (request.prime) json["prime"] = request.prime->string();
  if (request.prime_length > 0) json["prime_length"] = request.prime_length;
  return {{"Software", "sparse-transformer"},
          {"parameters", "Seed: " + std::to_string(request.seed) +
                             ", Temperature: " + format_fixed(request.choice.temperature, 2) +
                             ", Step: " + std::to_string(trained.step)},
          {"sparse_transformer", json_text(json)}};
}

/// Of a picture that was completed several times: how it began, its completions, and all of it, as
/// the paper's authors show theirs.
Samples beside_their_prime(const SampleRequest& request, const TokenFormat& format,
                           const Samples& samples, const std::vector<std::uint8_t>& prime) {
  Samples row = {prime};
  row.insert(row.end(), samples.begin(), samples.end());
  row.push_back(read_prime(*request.prime, format));
  return row;
}

PictureLayout layout_of(const SampleRequest& request, const TrainedModel& trained,
                        bool is_completed) {
  constexpr std::int64_t kMostInARow = 10;
  PictureLayout layout;
  if (request.metadata) layout.caption = "step " + format_count(trained.step);
  if (is_completed) layout.columns = kMostInARow;
  return layout;
}

void write(const SampleRequest& request, const TrainedModel& trained, const Samples& drawn,
           const std::vector<std::uint8_t>& prime) {
  if (drawn.empty()) return;
  const TokenFormat& format = trained.format;
  const bool is_completed = format.kind == TokenFormat::Kind::kPicture && request.prime &&
                            !request.separate && drawn.size() > 1;
  const Samples samples = is_completed ? beside_their_prime(request, format, drawn, prime) : drawn;
  const PictureLayout layout = layout_of(request, trained, is_completed);
  const std::string weights =
      ", from the " + trained.weights() + " weights of " + trained.checkpoint.string();
  if (is_one_file(request, format)) {
    const Metadata text = describe(request, trained, {"count", drawn.size()});
    if (to_stdout(request)) {
      const auto bytes = encode_samples(format, samples, text, sample_extension(format), layout);
      write_to_stdout({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      return;
    }
    write_samples(request.out, format, samples, text, layout);
    log_info("wrote " + request.out + weights);
    return;
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    write_samples(numbered(request.out, static_cast<std::int64_t>(i) + 1), format, {samples[i]},
                  describe(request, trained, {"sample", i + 1}));
  }
  log_info("wrote " + format_count(static_cast<std::int64_t>(samples.size())) + " files, " +
           numbered(request.out, 1).string() + " and on" + weights);
}

void drop_unfinished(Samples& samples, std::int64_t length) {
  std::erase_if(samples, [length](const std::vector<std::uint8_t>& sample) {
    return std::cmp_less(sample.size(), length);
  });
}

}  // namespace

void run_sampling(const SampleRequest& request) {
  const StopSignals stop_signals;
  TrainedModel trained = find_trained_model(request.model, request.overrides);
  const SamplingSettings sampling = checked_sampling(request, trained);
  load_weights(trained);
  Samples samples;
  try {
    Progress bar("sample");
    draw_samples(*trained.model, sampling, samples,
                 [&bar](std::int64_t done, std::int64_t total) { bar.update(done, total); });
  } catch (const Interrupted&) {
    drop_unfinished(samples, sampling.length);
    write(request, trained, samples, sampling.prime);
    throw;
  }
  write(request, trained, samples, sampling.prime);
}

}  // namespace sparse_transformer
