#include "model/computation.h"

#include <stdexcept>

namespace sparse_transformer {

at::ScalarType activation_type(Precision precision, at::ScalarType full) {
  switch (precision) {
    case Precision::kFloat32:
      return full;
    case Precision::kBfloat16:
      return at::kBFloat16;
    case Precision::kFloat16:
      return at::kHalf;
  }
  throw std::logic_error("activation_type: no such precision");
}

}  // namespace sparse_transformer
