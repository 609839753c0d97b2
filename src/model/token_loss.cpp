#include "model/token_loss.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <type_traits>

#include "attention/kernels/instructions.h"

namespace sparse_transformer {
namespace {

template <typename T>
const LossKernels<T>& loss_kernels() {
  static const LossInstructionSet& best = *loss_instruction_sets().front();
  if constexpr (std::is_same_v<T, float>) {
    return best.float32;
  } else {
    return best.float64;
  }
}

constexpr std::int64_t kTaskRows = 64;

/// Calls run(loss, rows) for all rows, in tasks, with numbers of the type of the logits.
template <typename Run>
void over_rows(const at::Tensor& logits, const at::Tensor& tokens, const at::Tensor& lse,
               const Run& run) {
  in_type_of(logits, [&](auto number) {
    using T = decltype(number);
    const LossRows<T> loss = {.logits = logits.const_data_ptr<T>(),
                              .tokens = tokens.const_data_ptr<std::uint8_t>(),
                              .lse = lse.data_ptr<T>()};
    at::parallel_for(0, tokens.numel(), kTaskRows, [&](std::int64_t begin, std::int64_t end) {
      run(loss, RowRange{begin, end});
    });
  });
}

struct LossOfRows {
  at::Tensor nats;  // [...], of each token
  at::Tensor lse;   // [...], log-sum-exp of its logits
};

LossOfRows loss_of_rows(const at::Tensor& logits, const at::Tensor& tokens) {
  const at::Tensor nats = at::empty(tokens.sizes(), logits.options());
  const at::Tensor lse = at::empty_like(nats);
  over_rows(logits, tokens, lse, [&]<typename T>(const LossRows<T>& loss, RowRange rows) {
    loss_kernels<T>().nats(loss, rows, nats.data_ptr<T>());
  });
  return {nats, lse};
}

at::Tensor loss_gradient(const at::Tensor& d_sum, const at::Tensor& logits,
                         const at::Tensor& tokens, const at::Tensor& lse) {
  const at::Tensor d_logits = at::empty_like(logits);
  over_rows(logits, tokens, lse, [&]<typename T>(const LossRows<T>& loss, RowRange rows) {
    loss_kernels<T>().gradient(loss, rows, *d_sum.const_data_ptr<T>(), d_logits.data_ptr<T>());
  });
  return d_logits;
}

/// One number after the other: the order of at::sum() depends on the number of threads.
at::Tensor sum_of(const at::Tensor& nats) {
  double sum = 0.0;
  in_type_of(nats, [&](auto number) {
    const auto* x = nats.const_data_ptr<decltype(number)>();
    for (std::int64_t i = 0; i < nats.numel(); ++i) sum += double{x[i]};
  });
  return at::scalar_tensor(sum, nats.options());
}

class TokenLoss : public torch::autograd::Function<TokenLoss> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& tokens) {
    const LossOfRows rows = loss_of_rows(logits, tokens);
    context->save_for_backward({logits, tokens, rows.lse});
    return sum_of(rows.nats);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& d_sum) {
    const auto saved = context->get_saved_variables();
    return {loss_gradient(d_sum[0], saved[0], saved[1], saved[2]), {}};
  }
};

bool is_fused(const at::Tensor& logits, Kernels kernels) {
  return kernels == Kernels::kFused && logits.is_cpu();
}

at::Tensor plain_loss(const at::Tensor& logits, const at::Tensor& tokens,
                      at::Reduction::Reduction reduction) {
  return at::cross_entropy_loss(logits.flatten(0, -2), tokens.flatten().to(at::kLong), {},
                                reduction);
}

}  // namespace

std::vector<const LossInstructionSet*> loss_instruction_sets() {
  return runnable(baseline_loss, avx2_loss, avx512_loss);
}

at::Tensor token_loss(const at::Tensor& logits, const at::Tensor& tokens, Kernels kernels) {
  if (!is_fused(logits, kernels)) return plain_loss(logits, tokens, at::Reduction::Sum);
  return TokenLoss::apply(logits.contiguous(), tokens.contiguous());
}

at::Tensor token_nats(const at::Tensor& logits, const at::Tensor& tokens, Kernels kernels) {
  if (!is_fused(logits, kernels)) {
    return plain_loss(logits.detach(), tokens, at::Reduction::None).view(tokens.sizes());
  }
  return loss_of_rows(logits.detach().contiguous(), tokens.contiguous()).nats;
}

}  // namespace sparse_transformer
