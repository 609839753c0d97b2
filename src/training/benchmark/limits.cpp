#include "training/benchmark/limits.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "runtime/random_tensors.h"
#include "runtime/timing.h"

namespace sparse_transformer {
namespace {

constexpr int kProducts = 4;  // of a run

std::int64_t copied_bytes(c10::Device device) {
  constexpr std::int64_t kMebibyte = 1 << 20;
  return (device.is_cuda() ? 1024 : 256) * kMebibyte;
}

}  // namespace

double Limits::floor_seconds(const Work& work) const {
  return std::max(work.flops / product_flops, work.bytes / copy_bytes);
}

MatrixProduct::MatrixProduct(c10::Device device, Precision precision)
    : MatrixProduct(device, precision, device.is_cuda() ? 8192 : 1536) {}

MatrixProduct::MatrixProduct(c10::Device device, Precision precision, std::int64_t size)
    : size_(size),
      precision_(precision),
      a_(RandomTensors(1)({size_, size_},
                          at::TensorOptions(device).dtype(activation_type(precision)))),
      b_(RandomTensors(2)({size_, size_}, a_.options())),
      product_(at::empty_like(a_)) {}

void MatrixProduct::run() {
  for (int i = 0; i < kProducts; ++i) at::mm_out(product_, a_, b_);
  product_.select(0, 0).select(0, 0).item<double>();
}

double MatrixProduct::flops() const {
  const auto side = static_cast<double>(size_);
  return kProducts * 2.0 * side * side * side;
}

Precision fastest_precision(c10::Device device, Precision precision) {
  if (precision == Precision::kFloat32 || device.is_cuda()) return precision;
  const auto seconds = [device](Precision of) {
    constexpr std::int64_t kSmall = 256;  // where half precision is slow, it is a hundred times so
    MatrixProduct product(device, of, kSmall);
    product.run();
    return seconds_of([&product] { product.run(); });
  };
  return seconds(precision) <= seconds(Precision::kFloat32) ? precision : Precision::kFloat32;
}

MemoryCopy::MemoryCopy(c10::Device device)
    : from_(at::ones({copied_bytes(device)}, at::TensorOptions().device(device).dtype(at::kByte))),
      to_(at::ones_like(from_)) {}

void MemoryCopy::run() {
  to_.copy_(from_);
  to_.select(0, 0).item<std::uint8_t>();
}

}  // namespace sparse_transformer
