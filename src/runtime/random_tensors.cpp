#include "runtime/random_tensors.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/accumulate.h>

#include <algorithm>

namespace sparse_transformer {

RandomTensors::RandomTensors(std::uint64_t seed)
    : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}

at::Tensor RandomTensors::operator()(at::IntArrayRef sizes, const at::TensorOptions& options) {
  constexpr std::int64_t kPeriod = 1'000'003;  // a prime, so that no two rows are the same
  const std::int64_t count = c10::multiply_integers(sizes);
  const at::Tensor drawn = at::randn({std::min(count, kPeriod)}, generator_).to(options);
  const std::int64_t periods = (count + kPeriod - 1) / kPeriod;
  return drawn.repeat({std::max<std::int64_t>(1, periods)}).narrow(0, 0, count).view(sizes);
}

}  // namespace sparse_transformer
