#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/cuda/CUDAGuard.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "attention/kernels/token_cuda.h"
#include "config/errors.h"
#include "generation/decoder.h"
#include "generation/kernels/token_choice_cuda.h"
#include "generation/token_source.h"
#include "runtime/cuda/graph.h"
#include "runtime/log.h"
#include "runtime/stop.h"

namespace sparse_transformer {
namespace {

void warn_once(const std::exception& reason) {
  static std::once_flag warned;
  std::call_once(warned, [&] {
    log_warning("sampling goes on without a CUDA graph, slower: " + first_line(reason));
  });
}

/// One for all batches: memory that the allocator keeps for a stream serves no other. The default
/// stream cannot be recorded.
c10::cuda::CUDAStream sampling_stream(c10::Device device) {
  static const c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool(false, device.index());
  return stream;
}

class DeviceSource : public TokenSource {
 public:
  static std::unique_ptr<TokenSource> make(const Transformer& model, const BatchDraw& batch) {
    const at::NoGradGuard no_gradients;
    // Its stream takes over once all weights are there; whoever goes on with the results has waited
    // for them on the host.
    c10::cuda::getCurrentCUDAStream(model.device().index()).synchronize();
    const c10::cuda::CUDAStream stream = sampling_stream(model.device());
    const c10::cuda::CUDAStreamGuard guard(stream);
    std::unique_ptr<DeviceSource> source(new DeviceSource(model, batch, stream));
    if (!source->attention_) return nullptr;
    source->start();
    return source;
  }

  at::Tensor draw(std::int64_t most) override {
    throw_if_stopped();
    const at::NoGradGuard no_gradients;
    const c10::cuda::CUDAStreamGuard guard(stream_);
    const std::int64_t end = std::min(fetched_ + most, batch_.length);
    for (; chosen_ < end; ++chosen_) advance();
    const at::Tensor tokens = drawn_.tokens.narrow(1, fetched_, end - fetched_).to(at::kCPU);
    const std::int64_t finite = std::min(end, drawn_.not_finite.min().item<std::int64_t>());
    if (finite == fetched_) throw NotFiniteOutput();
    return tokens.narrow(1, 0, finite - std::exchange(fetched_, finite));
  }

 private:
  DeviceSource(const Transformer& model, const BatchDraw& batch,
               const c10::cuda::CUDAStream& stream)
      : model_(model),
        batch_(batch),
        stream_(stream),
        type_(activation_type(model.computation().precision)),
        decoder_(model, batch.size, batch.length),
        fetched_(std::ssize(batch.prime)),
        chosen_(fetched_),
        drawn_(batch, chosen_, model.device()) {
    decoder_.cache().take_memory(at::TensorOptions(model.device()).dtype(type_));
    attention_ = TokenAttention::of(decoder_.cache());
    if (!attention_) return;
    for (const Block& block : model.blocks()) blocks_.push_back(block.rounded(type_));
  }

  /// Reads the prime, chooses the first token and records how the next ones are.
  void start() {
    choose_tokens(batch_, decoder_.start(batch_.prime), drawn_);
    drawn_.position.add_(1);
    if (++chosen_ == batch_.length) return;
    // To be repeated by the first advance(), which finds everything as it was: a step changes what
    // belongs to its position only.
    step();
    try {
      graph_.emplace([this] { step_and_count(); });
    } catch (const c10::Error& error) {
      warn_once(error);
    } catch (const WorldError& error) {
      warn_once(error);
    }
  }

  void advance() {
    if (graph_) return graph_->replay();
    step_and_count();
  }

  void step_and_count() {
    step();
    drawn_.position.add_(1);
  }

  /// Reads the token before drawn_.position and chooses that at it.
  void step() {
    const at::Tensor place = drawn_.position - 1;
    const at::Tensor previous = drawn_.tokens.index_select(1, place).squeeze(1);
    at::Tensor hidden = model_.embedding().step(previous, place).to(type_);
    const Attend attend = [this](std::int64_t layer, const at::Tensor& packed) {
      return attention_->attend(layer, packed, drawn_.position);
    };
    for (const Block& block : blocks_) hidden = block.forward(hidden, attend, nullptr);
    choose_tokens(batch_, model_.logits(hidden), drawn_);
  }

  const Transformer& model_;
  BatchDraw batch_;
  c10::cuda::CUDAStream stream_;
  at::ScalarType type_;
  Decoder decoder_;
  std::int64_t fetched_, chosen_;  // positions whose tokens the host, and the device, has
  DrawnTokens drawn_;
  std::optional<TokenAttention> attention_;
  std::vector<Block> blocks_;  // the model's
  std::optional<CudaGraph> graph_;
};

}  // namespace

std::unique_ptr<TokenSource> device_source(const Transformer& model, const BatchDraw& batch) {
  if (!model.device().is_cuda() || model.computation().sampling() == Kernels::kPlain ||
      model.output().scalar_type() != at::kFloat) {
    return nullptr;
  }
  return DeviceSource::make(model, batch);
}

}  // namespace sparse_transformer
