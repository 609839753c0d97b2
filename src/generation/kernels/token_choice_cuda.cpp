#include "generation/kernels/token_choice_cuda.h"

#include <ATen/ATen.h>

#include "generation/kernels/token_choice.h"
#include "runtime/cuda/call.h"

namespace sparse_transformer {

DrawnTokens::DrawnTokens(const BatchDraw& batch, std::int64_t its_position, c10::Device device)
    : position(at::full({1}, its_position, at::TensorOptions(device).dtype(at::kLong))),
      tokens(at::zeros({batch.size, batch.length}, at::TensorOptions(device).dtype(at::kByte))),
      not_finite(at::full({batch.size}, batch.length, at::TensorOptions(device).dtype(at::kLong))) {
}

void choose_tokens(const BatchDraw& batch, const at::Tensor& logits, const DrawnTokens& drawn) {
  const at::Tensor rows = logits.contiguous();
  const TokenChoiceParams params = {
      .batch = batch.size,
      .length = batch.length,
      .logits = rows.const_data_ptr<float>(),
      .temperature = batch.choice.temperature,
      .top_p = batch.choice.top_p,
      .top_k = static_cast<std::int32_t>(batch.choice.top_k),
      .seed = batch.seed,
      .first_sample = batch.first,
      .position = drawn.position.const_data_ptr<std::int64_t>(),
      .tokens = drawn.tokens.mutable_data_ptr<std::uint8_t>(),
      .not_finite = drawn.not_finite.mutable_data_ptr<std::int64_t>()};
  check_launch(launch_token_choice(params, current_cuda_stream()), "the choice of tokens");
}

}  // namespace sparse_transformer
