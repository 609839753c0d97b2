#include "generation/sampler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <utility>

#include "config/errors.h"
#include "generation/decoder.h"
#include "generation/token_uniform.h"
#include "runtime/stop.h"

namespace sparse_transformer {
namespace {

template <typename Number>
void require(bool fits, const std::string& option, Number value, const std::string& range) {
  if (fits) return;
  std::ostringstream problem;
  problem << value << " is not " << range;
  throw SettingError(option, problem.str());
}

/// The samples first, first + 1, … of one batch.
class Batch {
 public:
  Batch(const SamplingSettings& settings, std::int64_t first,
        std::span<std::vector<std::uint8_t>> samples)
      : settings_(settings), first_(first), samples_(samples) {}

  /// Adds a token to every sample. logits: [batch, 256]. Returns the tokens, [batch] uint8.
  at::Tensor draw(const at::Tensor& logits) const {
    const at::Tensor rows = logits.to(at::kCPU, at::kDouble).contiguous();
    at::Tensor tokens = at::empty({rows.size(0)}, at::kByte);
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      const std::span<const double, 256> row(rows.const_data_ptr<double>() + i * 256, 256);
      const auto sample = first_ + static_cast<std::int64_t>(i);
      const auto position = static_cast<std::int64_t>(samples_[i].size());
      const std::uint8_t token = token_at(token_probabilities(row, settings_.choice),
                                          token_uniform(settings_.seed, sample, position));
      samples_[i].push_back(token);
      tokens.data_ptr<std::uint8_t>()[i] = token;
    }
    return tokens;
  }

 private:
  const SamplingSettings& settings_;
  std::int64_t first_;
  std::span<std::vector<std::uint8_t>> samples_;
};

}  // namespace

std::int64_t sample_length(const SamplingSettings& settings, std::int64_t n) {
  const auto& [temperature, top_k, top_p] = settings.choice;
  require(settings.count >= 1, "--count", settings.count, "at least 1");
  require(settings.batch >= 1, "--batch", settings.batch, "at least 1");
  require(temperature >= 0.0 && std::isfinite(temperature), "--temperature", temperature,
          "at least 0");
  require(top_k >= 0 && top_k <= 256, "--top-k", top_k, "between 0 and 256");
  require(top_p > 0.0 && top_p <= 1.0, "--top-p", top_p, "above 0 and at most 1");
  require(settings.length >= 0 && settings.length <= n, "--length", settings.length,
          "between 1 and the model's sequence of " + std::to_string(n) + " tokens");
  const std::int64_t length = settings.length == 0 ? n : settings.length;
  if (std::cmp_greater_equal(settings.prime.size(), length)) {
    throw SettingError("--prime", std::to_string(settings.prime.size()) +
                                      " tokens leave none to draw in a sample of " +
                                      std::to_string(length));
  }
  return length;
}

void draw_samples(const Transformer& model, const SamplingSettings& settings, Samples& samples,
                  const SamplingProgress& progress) {
  const std::int64_t length = sample_length(settings, model.layout().length);
  const auto prime = static_cast<std::int64_t>(settings.prime.size());
  const std::int64_t total = settings.count * (length - prime);
  std::int64_t done = 0;
  for (std::int64_t first = 0; first < settings.count; first += settings.batch) {
    const std::int64_t size = std::min(settings.batch, settings.count - first);
    samples.insert(samples.end(), static_cast<std::size_t>(size), settings.prime);
    const Batch batch(settings, first, std::span(samples).last(static_cast<std::size_t>(size)));
    Decoder decoder(model, size, length);
    at::Tensor logits = decoder.start(settings.prime);
    for (std::int64_t position = prime;; ++position) {
      const at::Tensor tokens = batch.draw(logits);
      done += size;
      if (progress) progress(done, total);
      if (position + 1 == length) break;
      throw_if_stopped();
      logits = decoder.step(tokens);
    }
  }
}

}  // namespace sparse_transformer
