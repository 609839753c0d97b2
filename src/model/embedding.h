// Tokens in: what each position reads (paper eq. 15, in the released code's reading).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/dropout.h"
#include "model/model_settings.h"
#include "model/parameters.h"

namespace sparse_transformer {

/// The input at position t is token t - 1 with the embeddings of position t - 1; at position 0 it
/// is a learned start vector alone.
class Embedding {
 public:
  /// Tensors are created uninitialised. `dropout`: probability, on the embedding of each token and
  /// of each of its positions, in training (released code).
  Embedding(std::int64_t width, SequenceLayout layout, double dropout);

  /// tokens: [batch, T] uint8, T <= n. Gives [batch, T', d]: the inputs of positions 0 … T - 1,
  /// then zeros up to the next multiple of `multiple`. Token T - 1 itself is not read. No
  /// `dropout_place`: no dropout.
  at::Tensor forward(const at::Tensor& tokens, std::int64_t multiple,
                     const DropoutPlace* dropout_place = nullptr) const;

  /// The input of one position, [batch, 1, d]. `previous`: token t - 1 of each sequence, [batch]
  /// uint8 (unused at 0).
  at::Tensor step(const at::Tensor& previous, std::int64_t position, std::int64_t batch) const;

  void collect(NamedTensors& parameters) const;

 private:
  /// The position embeddings of [first, first + count), one a table: [count, d].
  std::vector<at::Tensor> positions(std::int64_t first, std::int64_t count) const;
  /// x: [batch, count, d].
  at::Tensor drop(const at::Tensor& x, const DropoutPlace* dropout_place, std::int64_t site) const;

  SequenceLayout layout_;
  double dropout_;
  at::Tensor token_, start_;
  std::vector<at::Tensor> position_;
};

}  // namespace sparse_transformer
