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

/// Drawn at a place: where a token is one graph, enough that looking at them weighs nothing.
std::int64_t drawn_at(std::int64_t n, std::int64_t place, c10::Device device) {
  const std::int64_t most = device.is_cuda() ? 130 : 10;
  return std::min(most, n - place);
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

std::int64_t SamplingRun::drawn_tokens(std::int64_t n, c10::Device device) {
  std::int64_t tokens = 0;
  for (const std::int64_t place : places(n)) tokens += drawn_at(n, place, device);
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
  const std::int64_t drawn = drawn_at(model_.layout().length, place, model_.device());
  const SamplingSettings settings{.count = sequences_,
                                  .batch = sequences_,
                                  .length = place + drawn,
                                  .prime = {tokens_.begin(), tokens_.begin() + place}};
  struct Mark {
    Clock::time_point time;
    std::int64_t tokens;  // so far
  };
  std::vector<Mark> marks;
  Samples samples;
  draw_samples(model_, settings, samples, [&marks](std::int64_t done, std::int64_t) {
    marks.push_back({Clock::now(), done});
  });
  // Up to the first mark a batch begins, up to the second a graph runs for the first time.
  const Mark& begin = marks.at(marks.size() > 2 ? 1 : 0);
  return std::chrono::duration<double>(marks.back().time - begin.time).count() *
         static_cast<double>(sequences_) / static_cast<double>(marks.back().tokens - begin.tokens);
}

std::int64_t SamplingRun::cache_bytes() const {
  Decoder decoder(model_, sequences_, model_.layout().length);
  decoder.start({});
  return decoder.cache().bytes();
}

}  // namespace sparse_transformer
