#include "generation/sampler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "config/errors.h"
#include "generation/token_source.h"

namespace sparse_transformer {
namespace {

template <typename Number>
void require(bool fits, const std::string& option, Number value, const std::string& range) {
  if (fits) return;
  std::ostringstream problem;
  problem << value << " is not " << range;
  throw SettingError(option, problem.str());
}

/// How many tokens are drawn before the host looks again: as many as keep progress and requests to
/// stop waiting for some tenths of a second, where the source draws several.
class Portion {
 public:
  std::int64_t tokens() const { return tokens_; }
  void finish() {
    const Clock::time_point now = Clock::now();
    const std::chrono::duration<double> taken = now - std::exchange(begin_, now);
    if (taken.count() < 0.1) tokens_ = std::min<std::int64_t>(2 * tokens_, 1024);
    if (taken.count() > 0.3) tokens_ = std::max<std::int64_t>(tokens_ / 2, 1);
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::int64_t tokens_ = 1;
  Clock::time_point begin_ = Clock::now();
};

std::unique_ptr<TokenSource> token_source(const Transformer& model, const BatchDraw& batch) {
  if (auto source = device_source(model, batch)) return source;
  return host_source(model, batch);
}

/// tokens: [batch, positions], of the next ones.
void add_tokens(const at::Tensor& tokens, std::span<std::vector<std::uint8_t>> samples) {
  const auto all = tokens.accessor<std::uint8_t, 2>();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    for (std::int64_t t = 0; t < tokens.size(1); ++t) {
      samples[i].push_back(all[static_cast<std::int64_t>(i)][t]);
    }
  }
}

}  // namespace

std::int64_t sample_length(const SamplingSettings& settings, std::int64_t n) {
  const auto& [temperature, top_k, top_p] = settings.choice;
  const auto require_samples = [](const std::string& option, std::int64_t number) {
    require(number >= 1 && number <= kMostSamples, option, number,
            "between 1 and " + std::to_string(kMostSamples));
  };
  require_samples("--count", settings.count);
  require_samples("--batch", settings.batch);
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
    const BatchDraw batch = {.first = first,
                             .size = std::min(settings.batch, settings.count - first),
                             .length = length,
                             .prime = settings.prime,
                             .choice = settings.choice,
                             .seed = settings.seed};
    samples.insert(samples.end(), static_cast<std::size_t>(batch.size), settings.prime);
    const auto its = std::span(samples).last(static_cast<std::size_t>(batch.size));
    const auto source = token_source(model, batch);
    Portion portion;
    for (std::int64_t position = prime; position < length;) {
      const at::Tensor tokens = source->draw(portion.tokens());
      add_tokens(tokens, its);
      position += tokens.size(1);
      done += tokens.numel();
      if (progress) progress(done, total);
      portion.finish();
    }
  }
}

}  // namespace sparse_transformer
