#include "attention/kernels/union_cuda.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>

#include <limits>

#include "attention/kernels/union_attention.h"
#include "attention/kernels/union_plan.h"
#include "runtime/cuda/call.h"

namespace sparse_transformer {
namespace {

constexpr std::uintptr_t kAlignment = 16;  // bytes of what is copied at once

bool is_aligned(const at::Tensor& x) {
  return reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % kAlignment == 0;
}

std::uint16_t* numbers(const at::Tensor& x) {
  return static_cast<std::uint16_t*>(x.mutable_data_ptr());
}

void check(int code) { check_launch(code, "attention"); }

at::Tensor heads_of(const at::Tensor& x, const HeadGroup& group) {
  return x.narrow(2, group.first_head, group.heads);
}

template <typename Launch>
void launch_all(UnionPlan& plan, const LayerMemory& memory, const Launch& launch,
                const at::Tensor& packed) {
  std::int64_t count = 0;
  for (const UnionParams& params : plan.launches) count += union_counters(params);
  const at::Tensor counters = at::zeros({count}, packed.options().dtype(at::kInt));
  auto* next = counters.mutable_data_ptr<std::int32_t>();
  for (UnionParams& params : plan.launches) {
    params.memory = memory;
    params.counters = next;
    check(launch(params, half_type(packed), current_cuda_stream()));
    next += union_counters(params);
  }
}

}  // namespace

bool union_cuda_serves(const at::Tensor& packed, const LayerPattern& pattern,
                       const HeadShape& shape) {
  return has_kernels_for(packed.device()) && at::isReducedFloatingType(packed.scalar_type()) &&
         is_served_union(pattern, shape, packed.size(1)) && is_aligned(packed);
}

BandedOutput union_forward_cuda(const at::Tensor& packed, const LayerPattern& pattern,
                                const HeadShape& shape) {
  const c10::cuda::CUDAGuard device(packed.device());
  const std::int64_t batch = packed.size(0), n = packed.size(1), heads = packed.size(2);
  const at::Tensor out = at::empty({batch, n, heads, shape.value_width}, packed.options());
  const at::Tensor lse = at::empty({batch, n, heads}, packed.options().dtype(at::kFloat));
  UnionPlan plan = union_plan(pattern, shape, batch, n, Direction::kForward);
  for (const HeadGroup* group : plan.partial) {
    heads_of(out, *group).zero_();
    heads_of(lse, *group).fill_(-std::numeric_limits<float>::infinity());
  }
  const LayerMemory memory = {
      .packed = numbers(packed), .out = numbers(out), .lse = lse.mutable_data_ptr<float>()};
  launch_all(plan, memory, launch_union_forward, packed);
  return {out, lse};
}

at::Tensor union_backward_cuda(const at::Tensor& d_out, const at::Tensor& packed,
                               const BandedOutput& result, const LayerPattern& pattern,
                               const HeadShape& shape) {
  const c10::cuda::CUDAGuard device(packed.device());
  const at::Tensor d_packed = at::empty_like(packed);
  if (packed.numel() == 0) return d_packed;
  const at::Tensor d_rows = is_aligned(d_out) ? d_out : d_out.clone();
  const at::Tensor delta = at::empty_like(result.lse);
  const LayerMemory memory = {.packed = numbers(packed),
                              .out = numbers(result.out),
                              .lse = result.lse.mutable_data_ptr<float>(),
                              .d_out = numbers(d_rows),
                              .delta = delta.mutable_data_ptr<float>(),
                              .d_packed = numbers(d_packed)};
  check(launch_union_delta(memory, delta.numel(), static_cast<std::int32_t>(shape.value_width),
                           half_type(packed), current_cuda_stream()));
  UnionPlan plan = union_plan(pattern, shape, packed.size(0), packed.size(1), Direction::kBackward);
  for (const HeadGroup* group : plan.partial) heads_of(d_packed, *group).zero_();
  launch_all(plan, memory, launch_union_backward, packed);
  return d_packed;
}

}  // namespace sparse_transformer
