#include "model/kernels/embedding_cuda.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include "model/kernels/embedding_launch.h"
#include "runtime/cuda/call.h"

namespace sparse_transformer {
namespace {

EmbeddingSizes sizes_of(const at::Tensor& out, const at::Tensor& tokens, at::IntArrayRef axes) {
  EmbeddingSizes sizes = {.batch = static_cast<std::int32_t>(out.size(0)),
                          .length = static_cast<std::int32_t>(tokens.size(1)),
                          .padded = static_cast<std::int32_t>(out.size(1)),
                          .width = static_cast<std::int32_t>(out.size(2)),
                          .axes = static_cast<std::int32_t>(axes.size()),
                          .size = {},
                          .stride = {}};
  std::int32_t stride = 1;
  for (std::size_t axis = axes.size(); axis-- > 0;) {
    sizes.size[axis] = static_cast<std::int32_t>(axes[axis]);
    sizes.stride[axis] = stride;
    stride *= sizes.size[axis];
  }
  return sizes;
}

ActivationType type_of(const at::Tensor& x) {
  if (x.scalar_type() == at::kFloat) return ActivationType::kFloat32;
  return half_type(x) == HalfType::kFloat16 ? ActivationType::kFloat16 : ActivationType::kBfloat16;
}

void check(int code) { check_launch(code, "the embedding"); }

}  // namespace

bool embedding_cuda_serves(const at::Tensor& token_table) {
  return has_kernels_for(token_table.device()) && token_table.scalar_type() == at::kFloat;
}

at::Tensor embedding_cuda(at::TensorList tables, const at::Tensor& tokens, std::int64_t padded,
                          at::ScalarType type) {
  const c10::cuda::CUDAGuard device(tokens.device());
  const at::Tensor& token = tables.front();
  const at::Tensor out =
      at::empty({tokens.size(0), padded, token.size(1)}, token.options().dtype(type));
  EmbeddingTables memory = {.token = token.const_data_ptr<float>(),
                            .position = {},
                            .start = tables.back().const_data_ptr<float>()};
  std::vector<std::int64_t> axes;
  for (const at::Tensor& table : tables.slice(1, tables.size() - 2)) {
    memory.position[axes.size()] = table.const_data_ptr<float>();
    axes.push_back(table.size(0));
  }
  check(launch_embedding(sizes_of(out, tokens, axes), memory, tokens.const_data_ptr<std::uint8_t>(),
                         out.mutable_data_ptr(), type_of(out), current_cuda_stream()));
  return out;
}

std::vector<at::Tensor> embedding_gradient_cuda(const at::Tensor& d_out, const at::Tensor& tokens,
                                                at::IntArrayRef axes) {
  const c10::cuda::CUDAGuard device(d_out.device());
  const EmbeddingSizes sizes = sizes_of(d_out, tokens, axes);
  const EmbeddingStretches stretches(sizes.length);
  const at::Tensor sums =
      at::empty({stretches.count, sizes.rows(), sizes.width}, d_out.options().dtype(at::kFloat));
  check(launch_embedding_gradient(sizes, stretches, tokens.const_data_ptr<std::uint8_t>(),
                                  d_out.const_data_ptr(), sums.mutable_data_ptr<float>(),
                                  type_of(d_out), current_cuda_stream()));
  std::vector<std::int64_t> rows(axes.begin(), axes.end());
  rows.insert(rows.begin(), EmbeddingSizes::kTokens);
  rows.push_back(1);
  std::vector<at::Tensor> gradients = sums.sum(0).split_with_sizes(rows);
  gradients.back() = gradients.back().squeeze(0);
  return gradients;
}

}  // namespace sparse_transformer
