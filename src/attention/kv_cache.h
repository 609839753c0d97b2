// The keys and values of the positions so far, for sampling: attention of the newest position only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "attention/head_shape.h"
#include "attention/kernels/kernels.h"
#include "attention/kernels/token.h"
#include "attention/pattern.h"
#include "attention/row_places.h"

namespace sparse_transformer {

/// The sequences that a cache is made for.
struct CacheShape {
  std::int64_t batch;
  std::int64_t length;  // the most positions that will be appended
};

/// The cache of all layers of a model; a row is a key beside its value. What is kept where, and so
/// how much memory a pattern takes, is row_places.h's. Not differentiable; not for use from several
/// threads.
class KeyValueCache {
 public:
  /// Memory is taken with a layer's first positions, in their type and on their device, or before.
  KeyValueCache(const std::vector<LayerPattern>& layers, const CacheShape& shape,
                const HeadShape& head, Kernels kernels = Kernels::kFused);

  void take_memory(const at::TensorOptions& options);

  /// Keeps a layer's next positions, packed as in head_shape.h; a batch of 1 stands for every
  /// sequence.
  void append(std::int64_t layer, const at::Tensor& packed);

  /// Keeps a layer's next position and returns its attention, [batch, 1, heads, value_width]: the
  /// row of that position of sparse_attention() over the sequence so far. Computed in float32
  /// (float64 for float64). A head without any key yields 0. packed: one position.
  at::Tensor attend(std::int64_t layer, const at::Tensor& packed);

  /// Memory held by all layers.
  std::int64_t bytes() const;

  const CacheShape& shape() const { return shape_; }
  const HeadShape& head_shape() const { return head_; }
  std::int64_t layers() const { return std::ssize(layers_); }
  const LayerPlaces& places(std::int64_t layer) const { return layer_of(layer).places; }
  /// The rows of a layer, [batch, rows, query_width + value_width]; it never moves. Undefined
  /// before it is taken.
  const at::Tensor& memory(std::int64_t layer) const { return layer_of(layer).memory; }

 private:
  struct LayerCache {
    std::int64_t positions = 0;  // so far
    LayerPlaces places;
    at::Tensor memory;
    std::vector<std::vector<at::Tensor>> stores;  // of it each group's and piece's own
  };

  /// Where a head keeps its newest row: in the first sequence, and from one to the next.
  template <typename T>
  struct Kept {
    T* row;
    std::int64_t sequence_stride;
  };
  /// What a head does with the newest position.
  template <typename T>
  struct HeadWork {
    std::vector<Kept<T>> kept;
    std::vector<CachedRun<T>> seen;
  };

  const LayerCache& layer_of(std::int64_t layer) const {
    return layers_.at(static_cast<std::size_t>(layer));
  }
  /// Takes the layer's memory, zeros, unless that has been done.
  void take_memory(LayerCache& cache, const at::TensorOptions& options) const;
  /// The same before so many further positions are kept. Throws where there is no room for them.
  void make_room(LayerCache& cache, std::int64_t positions, const at::TensorOptions& options) const;
  at::Tensor attend_plain(const LayerCache& cache, std::size_t group,
                          const at::Tensor& query) const;
  /// By the kernels of kernels/token.h, on the CPU, in T.
  template <typename T>
  at::Tensor attend_fused(LayerCache& cache, const at::Tensor& packed) const;
  /// Of the next position. One entry a head.
  template <typename T>
  std::vector<HeadWork<T>> plan(const LayerCache& cache) const;

  CacheShape shape_;
  HeadShape head_;
  Kernels kernels_;
  std::vector<LayerCache> layers_;
};

}  // namespace sparse_transformer
