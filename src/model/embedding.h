// Tokens in: what each position reads (paper eq. 15, in the released code's reading).
#pragma once

#include <ATen/core/Tensor.h>

#include "model/augmentation.h"
#include "model/computation.h"
#include "model/dropout.h"
#include "model/model_settings.h"
#include "model/parameters.h"

namespace sparse_transformer {

/// The input at position t is token t - 1 with the embeddings of position t - 1; at position 0 it
/// is a learned start vector alone.
class Embedding {
 public:
  /// Tensors are created uninitialised. Of the settings it has the width, the dropout on the
  /// embedding of each token and of each of its positions, and the augmentation.
  Embedding(const ModelSettings& settings, SequenceLayout layout,
            const Computation& computation = {});

  /// tokens: [batch, T] uint8, T <= n. Gives [batch, T', d]: the inputs of positions 0 … T - 1,
  /// then zeros up to the next multiple of `multiple`. Token T - 1 itself is not read. No
  /// `dropout_place`: no dropout. `shown`: how the sequences are augmented; nothing for those that
  /// are not. In the tables' type.
  at::Tensor forward(const at::Tensor& tokens, std::int64_t multiple,
                     const DropoutPlace* dropout_place = nullptr,
                     const Shown* shown = nullptr) const;

  /// The input of one position, [batch, 1, d]. `previous`: token t - 1 of each sequence, [batch]
  /// uint8 (unused at 0).
  at::Tensor step(const at::Tensor& previous, std::int64_t position, std::int64_t batch) const;

  /// The same behind the first position, where only the device knows it: `place` is t - 1, int64
  /// [1].
  at::Tensor step(const at::Tensor& previous, const at::Tensor& place) const;

  void collect(NamedTensors& parameters) const;

 private:
  /// The position embeddings of these positions, [...] int64, one a table: [..., d].
  std::vector<at::Tensor> positions(at::Tensor index) const;
  /// [batch, 1, d]
  at::Tensor start(std::int64_t batch, const Shown* shown) const;
  /// x: [batch, count, d].
  at::Tensor drop(const at::Tensor& x, const DropoutPlace* dropout_place, std::int64_t site) const;

  SequenceLayout layout_;
  Computation computation_;
  double dropout_;
  at::Tensor token_, start_;
  std::vector<at::Tensor> position_;
  struct Table {
    AugmentationKind kind;
    at::Tensor weight;  // [forms - 1, d]: the form that changes nothing has no vector
  };
  std::vector<Table> augmentation_;
};

}  // namespace sparse_transformer
