#include "training/benchmark/sampling_run.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "generation/decoder.h"

namespace sparse_transformer {
namespace {

/// The middles of the sequence's quarters: their mean is that over all positions where time grows
/// linearly with the position.
std::array<std::int64_t, 4> places(std::int64_t n) {
  return {n / 8, 3 * n / 8, 5 * n / 8, 7 * n / 8};
}

/// Drawn at a place, the first not counted.
std::int64_t drawn_at(std::int64_t n, std::int64_t place) {
  constexpr std::int64_t kMost = 9;
  return std::min(kMost, n - place);
}

}  // namespace

SamplingRun::SamplingRun(const Transformer& model, std::int64_t sequences)
    : model_(model),
      sequences_(sequences),
      tokens_(static_cast<std::size_t>(model.layout().length)) {
  std::uint8_t token = 0;
  for (std::uint8_t& each : tokens_) each = token += 151;  // some order or other
}

std::int64_t SamplingRun::primed_tokens(std::int64_t n) {
  std::int64_t tokens = 0;
  for (const std::int64_t place : places(n)) tokens += place;
  return tokens;
}

std::int64_t SamplingRun::drawn_tokens(std::int64_t n) {
  std::int64_t tokens = 0;
  for (const std::int64_t place : places(n)) tokens += drawn_at(n, place);
  return tokens;
}

double SamplingRun::seconds_a_token() const {
  const auto all = places(model_.layout().length);
  double sum = 0.0;
  for (const std::int64_t place : all) sum += seconds_at(place);
  return sum / static_cast<double>(all.size());
}

double SamplingRun::seconds_at(std::int64_t place) const {
  using Clock = std::chrono::steady_clock;
  const std::int64_t drawn = drawn_at(model_.layout().length, place);
  const SamplingSettings settings{.count = sequences_,
                                  .batch = sequences_,
                                  .length = place + drawn,
                                  .prime = {tokens_.begin(), tokens_.begin() + place}};
  std::vector<Clock::time_point> times;  // after each token
  Samples samples;
  draw_samples(model_, settings, samples,
               [&times](std::int64_t, std::int64_t) { times.push_back(Clock::now()); });
  return std::chrono::duration<double>(times.back() - times.front()).count() /
         static_cast<double>(drawn - 1);
}

std::int64_t SamplingRun::cache_bytes() const {
  Decoder decoder(model_, sequences_, model_.layout().length);
  decoder.start({});
  return decoder.bytes();
}

}  // namespace sparse_transformer
