// Norm of the gradients and Adam with decoupled weight decay over many tensors, in few launches.
// Addresses travel with a launch as kernel parameters: a CUDA graph that records it has them.
#include <cuda_runtime.h>

#include <cmath>

#include "runtime/cuda/half.cuh"
#include "runtime/cuda/warp.cuh"
#include "training/kernels/adam.h"

namespace sparse_transformer {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr std::int64_t kChunk = 16384;  // numbers of a tensor that a block takes

/// Tensors of one launch, cut into chunks, one a block.
struct TensorList {
  static constexpr int kMostTensors = 56;

  AdamTensor tensors[kMostTensors];
  std::int32_t chunk_ends[kMostTensors];  // chunks of the tensors up to and including this one
  std::int32_t count;

  std::int32_t chunks() const { return count == 0 ? 0 : chunk_ends[count - 1]; }
};
std::int32_t chunks_of(const AdamTensor& tensor) {
  return static_cast<std::int32_t>((tensor.count + kChunk - 1) / kChunk);
}

std::vector<TensorList> lists_of(const std::vector<AdamTensor>& tensors) {
  std::vector<TensorList> lists;
  for (const AdamTensor& tensor : tensors) {
    if (tensor.count == 0) continue;
    if (lists.empty() || lists.back().count == TensorList::kMostTensors) lists.emplace_back();
    TensorList& list = lists.back();
    list.chunk_ends[list.count] = list.chunks() + chunks_of(tensor);
    list.tensors[list.count] = tensor;
    ++list.count;
  }
  return lists;
}

/// The part of a tensor that a block takes.
struct Chunk {
  int tensor;
  std::int64_t begin, end;
};

__device__ Chunk chunk_of_block(const TensorList& list) {
  const auto block = static_cast<int>(blockIdx.x);
  int low = 0, high = list.count - 1;  // the first tensor whose chunks end after the block's
  while (low < high) {
    const int middle = (low + high) / 2;
    if (block < list.chunk_ends[middle]) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const int first = low == 0 ? 0 : list.chunk_ends[low - 1];
  const std::int64_t begin = (block - first) * kChunk;
  return {low, begin, min(begin + kChunk, list.tensors[low].count)};
}

/// Returns the sum over the block to its first thread.
__device__ float block_sum(float x) {
  __shared__ float sums[kWarps];
  x = warp_sum(x);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = x;
  __syncthreads();
  float sum = 0.0f;
  if (threadIdx.x == 0) {
    for (int warp = 0; warp < kWarps; ++warp) sum += sums[warp];
  }
  return sum;
}

/// sums[block] = the sum of the squares of the chunk's gradients.
__global__ void __launch_bounds__(kThreads)
    squares_kernel(const __grid_constant__ TensorList list, float* sums) {
  const Chunk chunk = chunk_of_block(list);
  const float* const gradient = list.tensors[chunk.tensor].gradient;
  float sum = 0.0f;
  for (std::int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += kThreads) {
    sum += gradient[i] * gradient[i];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// The root of the sum of `count` such sums, by one block.
__global__ void __launch_bounds__(kThreads)
    norm_kernel(const float* sums, std::int64_t count, float* norm) {
  float sum = 0.0f;
  for (std::int64_t i = threadIdx.x; i < count; i += kThreads) sum += sums[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *norm = sqrtf(sum);
}

/// 1 - βᵗ. Exact also where βᵗ is close to 1.
__device__ double one_minus_power(double log_beta, double t) { return -expm1(t * log_beta); }

/// Adam's constants in the type that elements are computed in, and ln β for the powers of β.
struct Constants {
  float beta1, beta2, one_minus_beta1, one_minus_beta2, epsilon;
  double log_beta1, log_beta2;

  explicit Constants(const AdamParams& params)
      : beta1(static_cast<float>(params.beta1)),
        beta2(static_cast<float>(params.beta2)),
        one_minus_beta1(static_cast<float>(1.0 - params.beta1)),
        one_minus_beta2(static_cast<float>(1.0 - params.beta2)),
        epsilon(static_cast<float>(params.epsilon)),
        log_beta1(std::log(params.beta1)),
        log_beta2(std::log(params.beta2)) {}
};

static_assert(sizeof(TensorList) + sizeof(AdamParams) + sizeof(Constants) <= 4096,
              "kernel parameters of 4 KiB");

__device__ void store_rounded(const AdamTensor& tensor, std::int64_t i, float weight) {
  const std::uint32_t pair = tensor.rounded_type == HalfType::kBfloat16
                                 ? pack_halfs<HalfType::kBfloat16>(weight, 0.0f)
                                 : pack_halfs<HalfType::kFloat16>(weight, 0.0f);
  static_cast<std::uint16_t*>(tensor.rounded)[i] = static_cast<std::uint16_t>(pair);
}

__global__ void __launch_bounds__(kThreads)
    adam_kernel(const __grid_constant__ TensorList list, const AdamParams params,
                const Constants constants) {
  if (*params.is_skipped != 0.0f) return;
  __shared__ float shared_step_size;  // η·√(1-β₂ᵗ)/(1-β₁ᵗ)
  if (threadIdx.x == 0) {
    const double t = *params.updates;
    shared_step_size =
        static_cast<float>(*params.learning_rate * sqrt(one_minus_power(constants.log_beta2, t)) /
                           one_minus_power(constants.log_beta1, t));
  }
  __syncthreads();
  const Chunk chunk = chunk_of_block(list);
  const AdamTensor& tensor = list.tensors[chunk.tensor];
  const float step_size = shared_step_size, divisor = *params.divisor;
  const float decay = static_cast<float>(*params.learning_rate) * tensor.weight_decay;
  for (std::int64_t i = chunk.begin + threadIdx.x; i < chunk.end; i += kThreads) {
    const float g = tensor.gradient[i] / divisor;
    const float m = constants.beta1 * tensor.first_moment[i] + constants.one_minus_beta1 * g;
    const float v = constants.beta2 * tensor.second_moment[i] + constants.one_minus_beta2 * g * g;
    float w = tensor.weight[i];
    w = w - decay * w - step_size * m / (sqrtf(v) + constants.epsilon);
    tensor.first_moment[i] = m;
    tensor.second_moment[i] = v;
    tensor.weight[i] = w;
    if (tensor.rounded != nullptr) store_rounded(tensor, i, w);
    if (tensor.average != nullptr) {
      const float average = tensor.average[i];
      tensor.average[i] = average + *params.average_share * (w - average);
    }
  }
}

}  // namespace

std::int64_t gradient_norm_sums(const std::vector<AdamTensor>& tensors) {
  std::int64_t count = 0;
  for (const AdamTensor& tensor : tensors) count += chunks_of(tensor);
  return count;
}

int launch_gradient_norm(const std::vector<AdamTensor>& tensors, float* sums, float* norm,
                         void* stream) {
  std::int64_t count = 0;
  for (const TensorList& list : lists_of(tensors)) {
    squares_kernel<<<list.chunks(), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(list,
                                                                                      sums + count);
    count += list.chunks();
  }
  norm_kernel<<<1, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(sums, count, norm);
  return cudaGetLastError();
}

int launch_adam(const std::vector<AdamTensor>& tensors, const AdamParams& params, void* stream) {
  for (const TensorList& list : lists_of(tensors)) {
    adam_kernel<<<list.chunks(), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        list, params, Constants(params));
  }
  return cudaGetLastError();
}

}  // namespace sparse_transformer
