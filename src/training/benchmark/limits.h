// How fast the machine is at its best: what a large matrix product and a large copy reach on it.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>

#include "model/computation.h"
#include "model/work.h"

namespace sparse_transformer {

struct Limits {
  std::int64_t product_size = 0;  // side of the square matrices that are multiplied
  Precision product_precision = Precision::kFloat32;  // the model's, or float32 where it is faster
  double product_flops = 0.0;                         // a second
  std::int64_t copied_bytes = 0;                      // of memory that is copied
  double copy_bytes = 0.0;                            // a second, read and written

  /// The least seconds that the work can take: its operations or its bytes, whichever take longer.
  double floor_seconds(const Work& work) const;
  /// Of what could be reached, in that many seconds.
  double share(const Work& work, double seconds) const { return floor_seconds(work) / seconds; }
};

/// Products of square matrices, a few in a row: the first finds caches and threads cold.
class MatrixProduct {
 public:
  /// So large that one takes some tens of milliseconds on a CPU.
  MatrixProduct(c10::Device device, Precision precision);
  MatrixProduct(c10::Device device, Precision precision, std::int64_t size);
  void run();  // and waits
  std::int64_t size() const { return size_; }
  Precision precision() const { return precision_; }
  double flops() const;  // of a run

 private:
  std::int64_t size_;
  Precision precision_;
  at::Tensor a_, b_, product_;
};

/// In which products are faster: the model's precision, or float32, which models could compute in
/// as well. Many processors of the x86 kind have no fast arithmetic of half precision.
Precision fastest_precision(c10::Device device, Precision precision);

/// A copy between two places of memory too large for any cache.
class MemoryCopy {
 public:
  explicit MemoryCopy(c10::Device device);
  void run();  // and waits
  std::int64_t size() const { return from_.numel(); }
  double bytes() const { return 2.0 * static_cast<double>(size()); }

 private:
  at::Tensor from_, to_;
};

}  // namespace sparse_transformer
