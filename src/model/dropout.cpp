#include "model/dropout.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "runtime/random.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kWords = 4;  // random words a call of philox gives

/// 1 / (1 - p) or 0 for each element of one sequence.
void fill_scale(float* scale, std::int64_t count, double p, const DropoutPlace& place,
                std::int64_t sequence) {
  const auto threshold = static_cast<std::uint32_t>(std::ldexp(p, 32));
  const auto kept = static_cast<float>(1.0 / (1.0 - p));
  const auto step = static_cast<std::uint32_t>(place.step);
  const auto row = static_cast<std::uint32_t>(place.first_sequence + sequence);
  const auto site = static_cast<std::uint32_t>(place.site);
  constexpr std::int64_t kGrain = 4096;
  at::parallel_for(0, (count + kWords - 1) / kWords, kGrain,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t block = begin; block < end; ++block) {
                       const auto words =
                           philox(place.seed, {static_cast<std::uint32_t>(block), step, row, site});
                       for (std::int64_t i = 0; i < std::min(kWords, count - block * kWords); ++i) {
                         scale[block * kWords + i] =
                             words[static_cast<std::size_t>(i)] < threshold ? 0.0F : kept;
                       }
                     }
                   });
}

}  // namespace

at::Tensor dropout(const at::Tensor& x, double p, const DropoutPlace& place) {
  if (p == 0.0) return x;
  at::Tensor scale = at::empty(x.sizes(), at::kFloat);
  const std::int64_t count = x.numel() / x.size(0);
  for (std::int64_t sequence = 0; sequence < x.size(0); ++sequence) {
    fill_scale(scale.data_ptr<float>() + sequence * count, count, p, place, sequence);
  }
  return x * scale.to(x.options());
}

}  // namespace sparse_transformer
