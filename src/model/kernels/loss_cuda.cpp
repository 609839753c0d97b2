#include "model/kernels/loss_cuda.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include "model/kernels/loss_launch.h"
#include "runtime/cuda/call.h"

namespace sparse_transformer {
namespace {

LossRows<float> rows_of(const at::Tensor& logits, const at::Tensor& tokens, const at::Tensor& lse) {
  return {.logits = logits.const_data_ptr<float>(),
          .tokens = tokens.const_data_ptr<std::uint8_t>(),
          .lse = lse.mutable_data_ptr<float>()};
}

void check(int code) { check_launch(code, "the loss"); }

}  // namespace

bool loss_cuda_serves(const at::Tensor& logits) {
  return has_kernels_for(logits.device()) && logits.scalar_type() == at::kFloat;
}

LossOfRows loss_cuda(const at::Tensor& logits, const at::Tensor& tokens) {
  const c10::cuda::CUDAGuard device(logits.device());
  const at::Tensor nats = at::empty(tokens.sizes(), logits.options());
  const at::Tensor lse = at::empty_like(nats);
  check(launch_loss(rows_of(logits, tokens, lse), lse.numel(), nats.mutable_data_ptr<float>(),
                    current_cuda_stream()));
  return {nats, lse};
}

at::Tensor loss_gradient_cuda(const at::Tensor& d_sum, const at::Tensor& logits,
                              const at::Tensor& tokens, const at::Tensor& lse) {
  const c10::cuda::CUDAGuard device(logits.device());
  const at::Tensor d_logits = at::empty_like(logits);
  check(launch_loss_gradient(rows_of(logits, tokens, lse), lse.numel(),
                             d_sum.const_data_ptr<float>(), d_logits.mutable_data_ptr<float>(),
                             current_cuda_stream()));
  return d_logits;
}

}  // namespace sparse_transformer
