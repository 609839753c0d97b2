// One residual block (paper eqs. 12-14): a = drop(attention(norm(H))), b = drop(feedforward(norm(H
// + a))), H + a + b.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "attention/head_shape.h"
#include "model/computation.h"
#include "model/dropout.h"
#include "model/linear.h"
#include "model/model_settings.h"
#include "model/norm.h"
#include "model/parameters.h"

namespace sparse_transformer {

/// How a model's heads lie in the packed projection.
HeadShape head_shape(const ModelSettings& settings);

/// The attention of layer `layer` on packed queries, keys and values (attention/head_shape.h);
/// gives [batch, n, heads, value_width]. Training computes whole sequences, sampling asks a cache.
using Attend = std::function<at::Tensor(std::int64_t layer, const at::Tensor& packed)>;

/// What a block consists of.
struct BlockLayers {
  const Norm &attention_norm, &feedforward_norm;
  const Linear &query_key_value, &attention_output, &expand, &contract;
};

class Block {
 public:
  /// Tensors are created uninitialised.
  Block(const ModelSettings& settings, std::int64_t layer, const Computation& computation);

  /// hidden: [batch, n, d], in whose type the block computes (computation.h); no `dropout_place`:
  /// no dropout. Throws Interrupted at the block's boundary, in the backward pass too. The block
  /// and what `attend` refers to must outlive that.
  at::Tensor forward(const at::Tensor& hidden, const Attend& attend,
                     const DropoutPlace* dropout_place) const;

  BlockLayers layers() const {
    return {attention_norm_,   feedforward_norm_, query_key_value_,
            attention_output_, expand_,           contract_};
  }

  /// A copy whose products have their weights in `type`, the activations', so that a block that is
  /// run again and again does not round them each time. Not to be trained.
  Block rounded(c10::ScalarType type) const;

  /// Keeps copies of the products' weights in `type` beside them (Linear::rounded), for training.
  void keep_rounded_weights(c10::ScalarType type);

  /// Which kernels compute the feed-forward part on CUDA; kCublas at first.
  void compute_feedforward_by(KernelKind kernel) { feedforward_kernel_ = kernel; }

  /// Adds the block's tensors with their names, as references to the same memory.
  void collect(NamedTensors& parameters) const;

 private:
  /// h + drop(attention(norm(h))), and a + drop(feedforward(norm(a))).
  at::Tensor add_attention(const at::Tensor& h, const Attend& attend,
                           const DropoutPlace* dropout_place) const;
  at::Tensor add_feedforward(const at::Tensor& a, const DropoutPlace* dropout_place) const;
  at::Tensor drop(const at::Tensor& x, const DropoutPlace* dropout_place, std::int64_t site) const;
  /// site: 0 or 1, of the layer's two.
  DropoutPlace at_site(DropoutPlace place, std::int64_t site) const;
  /// h + drop(product + bias) by fused kernels.
  at::Tensor add_branch(const at::Tensor& h, const at::Tensor& product, const at::Tensor& bias,
                        const DropoutPlace* dropout_place, std::int64_t site) const;
  /// Up to the product with attention_output_: [batch, n, heads · value_width].
  at::Tensor attention(const at::Tensor& normed, const Attend& attend) const;
  at::Tensor feedforward(const at::Tensor& normed) const;
  std::vector<Linear*> linears();
  std::vector<at::Tensor> attention_parameters() const;
  std::vector<at::Tensor> parameters() const;

  ModelSettings settings_;
  std::int64_t layer_;
  Computation computation_;
  KernelKind feedforward_kernel_ = KernelKind::kCublas;
  Norm attention_norm_, feedforward_norm_;
  Linear query_key_value_, attention_output_, expand_, contract_;
};

}  // namespace sparse_transformer
