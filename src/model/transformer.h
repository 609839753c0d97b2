// The Sparse Transformer (paper §5): embedding, residual blocks, final norm, logits over the 256
// bytes.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "attention/kernel_choice.h"
#include "attention/pattern.h"
#include "model/block.h"
#include "model/computation.h"
#include "model/embedding.h"
#include "model/model_settings.h"
#include "model/norm.h"
#include "model/parameters.h"

namespace sparse_transformer {

class Transformer {
 public:
  /// `settings` must be resolved. Tensors are float32 on the CPU, uninitialised: see initialise(),
  /// copy_parameters().
  Transformer(const ModelSettings& settings, const SequenceLayout& layout,
              const Computation& computation = {});
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  /// Logits [batch, T, 256], float32, for every position of `tokens` [batch, T] uint8, T <= n;
  /// position t sees the tokens before t. `dropout_place`: where training's dropout masks fall;
  /// nothing for evaluation. `shown`: how training's sequences are augmented; nothing for those
  /// that are not.
  at::Tensor forward(const at::Tensor& tokens, const DropoutPlace* dropout_place = nullptr,
                     const Shown* shown = nullptr) const;

  /// The same with another attention than that of whole sequences (sampling's cache). hidden:
  /// [batch, T', d], rounded here to the precision of what comes after where it is not yet.
  at::Tensor run_blocks(const at::Tensor& hidden, const Attend& attend,
                        const DropoutPlace* dropout_place = nullptr) const;
  at::Tensor logits(const at::Tensor& hidden, const DropoutPlace* dropout_place = nullptr) const;

  /// From the next pass on, which kernels compute the attention of whole sequences and the
  /// feed-forward part on CUDA; what is not named stays as it is, at first kOwn and kCublas.
  void compute_by(const KernelChoice& choice);

  /// Where products are in half precision on this device, keeps copies of their weights in it, so
  /// that they are rounded once an update and not in every product. To be called on the device that
  /// the model stays on; then whoever changes weights calls round_weights() or writes the copies.
  void keep_rounded_weights();

  const Embedding& embedding() const { return embedding_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  const Norm& final_norm() const { return final_norm_; }
  const at::Tensor& output() const { return output_; }  // [256, d]
  const std::vector<LayerPattern>& patterns() const { return patterns_; }
  const ModelSettings& settings() const { return settings_; }
  const Computation& computation() const { return computation_; }
  const SequenceLayout& layout() const { return layout_; }
  HeadShape head_shape() const;
  c10::Device device() const;

  /// All tensors by name, in the order of the data flow; they share the model's memory.
  NamedTensors parameters() const;

 private:
  ModelSettings settings_;
  SequenceLayout layout_;
  Computation computation_;
  std::vector<LayerPattern> patterns_;
  std::vector<KernelKind> kernels_;  // of each layer's attention
  Embedding embedding_;
  std::vector<Block> blocks_;
  Norm final_norm_;
  at::Tensor output_;  // [256, d]
};

/// Fills every tensor from its distribution (paper §5.2, §6; model_settings.h). Depends on (seed,
/// tensor's name) only.
void initialise(const Transformer& model, std::uint64_t seed);

/// Moves every tensor to a device or type, in place. Before training only: optimizers hold the
/// tensors.
void move_parameters(const Transformer& model, c10::Device device);
void convert_parameters(const Transformer& model, c10::ScalarType type);

/// Brings the kept copies of weights in half precision up to date.
void round_weights(const Transformer& model);

}  // namespace sparse_transformer
