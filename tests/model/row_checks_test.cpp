#include "model/row_checks.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace sparse_transformer {
namespace {

using ::testing::UnorderedElementsAre;

std::set<std::string> wrong(const RowOperations& operations, at::ScalarType type) {
  std::set<std::string> names;
  for (const KernelCheck& check :
       row_checks(operations, {.width = 40, .type = type, .device = at::kCPU})) {
    if (!are_right({check}, "others compute")) names.insert(check.name);
  }
  return names;
}

enum class Part {
  kNone,
  kNorm,
  kNormGradient,
  kDrop,
  kDropAndSum,
  kResidual,
  kGelu,
  kGeluGradient
};

/// The CPU's kernels with one of them wrong: in the last column, by a fifth of the largest number.
class WrongRows : public RowOperations {
 public:
  explicit WrongRows(Part part) : part_(part) {}

  bool serves(c10::Device device, at::ScalarType type) const override {
    return right_.serves(device, type);
  }
  Normed norm(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& shift,
              double epsilon) const override {
    Normed normed = right_.norm(x, gain, shift, epsilon);
    spoil(Part::kNorm, normed.y);
    return normed;
  }
  NormGradient norm_gradient(const at::Tensor& x, const Normed& normed, const at::Tensor& gain,
                             const at::Tensor& d_y, const at::Tensor& d_other) const override {
    NormGradient gradient = right_.norm_gradient(x, normed, gain, d_y, d_other);
    spoil(Part::kNormGradient, gradient.shift);
    return gradient;
  }
  at::Tensor drop(const at::Tensor& x, const RowMask& mask) const override {
    return spoiled(Part::kDrop, right_.drop(x, mask));
  }
  SummedGradient drop_and_sum(const at::Tensor& x, const RowMask& mask) const override {
    SummedGradient gradient = right_.drop_and_sum(x, mask);
    spoil(Part::kDropAndSum, gradient.bias);
    return gradient;
  }
  at::Tensor residual(const at::Tensor& h, const at::Tensor& y, const at::Tensor& bias,
                      const RowMask& mask) const override {
    return spoiled(Part::kResidual, right_.residual(h, y, bias, mask));
  }
  at::Tensor gelu(const at::Tensor& x, const at::Tensor& bias) const override {
    return spoiled(Part::kGelu, right_.gelu(x, bias));
  }
  SummedGradient gelu_gradient(const at::Tensor& x, const at::Tensor& bias,
                               const at::Tensor& d_y) const override {
    SummedGradient gradient = right_.gelu_gradient(x, bias, d_y);
    spoil(Part::kGeluGradient, gradient.x);
    return gradient;
  }

 private:
  void spoil(Part part, const at::Tensor& x) const {
    if (part == part_) x.select(-1, x.size(-1) - 1).add_(0.2 * x.abs().max());
  }
  at::Tensor spoiled(Part part, const at::Tensor& x) const {
    spoil(part, x);
    return x;
  }

  const RowOperations& right_ = cpu_row_operations();
  Part part_;
};

TEST(RowChecks, TheProcessorsKernelsPass) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    EXPECT_THAT(wrong(WrongRows(Part::kNone), type), UnorderedElementsAre()) << type;
  }
}

TEST(RowChecks, AWrongKernelIsFoundInEveryType) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    SCOPED_TRACE(type);
    EXPECT_THAT(wrong(WrongRows(Part::kNorm), type), UnorderedElementsAre("layer norm"));
    EXPECT_THAT(wrong(WrongRows(Part::kNormGradient), type), UnorderedElementsAre("layer norm"));
    EXPECT_THAT(wrong(WrongRows(Part::kDrop), type), UnorderedElementsAre("dropout"));
    EXPECT_THAT(wrong(WrongRows(Part::kDropAndSum), type), UnorderedElementsAre("dropout"));
    EXPECT_THAT(wrong(WrongRows(Part::kResidual), type), UnorderedElementsAre("the residual sum"));
    EXPECT_THAT(wrong(WrongRows(Part::kGelu), type), UnorderedElementsAre("GELU"));
    EXPECT_THAT(wrong(WrongRows(Part::kGeluGradient), type), UnorderedElementsAre("GELU"));
  }
}

TEST(RowChecks, WhatIsNotServedIsNotChecked) {
  EXPECT_TRUE(row_checks(cpu_row_operations(), {.width = 8, .type = at::kHalf, .device = at::kCPU})
                  .empty());
}

}  // namespace
}  // namespace sparse_transformer
