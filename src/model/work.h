// What computing something takes at least: operations on the pattern's pairs, and bytes when every
// operand goes between memory and processor once. With the speeds of a machine that is the least
// time it can take.
#pragma once

#include <cstdint>

#include "attention/pattern.h"
#include "model/computation.h"
#include "model/model_settings.h"

namespace sparse_transformer {

struct Work {
  double flops = 0.0;  // a multiply-add is 2
  double bytes = 0.0;
};

/// The attention of one layer, forward and backward, on so many sequences of n. Forward: queries,
/// keys, values, output and log-sum-exps once; 2·(query + value width) operations a pair of query
/// and key. Backward: the same and the output's gradient again, and the gradients of queries, keys
/// and values; 2.5 times as many operations, since scores are computed again rather than kept.
Work attention_work(const ModelSettings& settings, const LayerPattern& layer, std::int64_t n,
                    std::int64_t sequences, Precision precision);

/// A training step: ModelSize::flops_per_token; activations, their gradients and the optimizer's
/// state once for every operation that cannot be part of another (norms, matrix products,
/// attention). Weights, embedding and logits are not counted.
Work step_work(const ModelSettings& settings, const SequenceLayout& layout, std::int64_t sequences,
               Precision precision);

/// Drawing the next token of each of so many sequences, the mean over positions: the weights once,
/// and the keys and values that each sequence's query sees.
Work sampling_work(const ModelSettings& settings, const SequenceLayout& layout,
                   std::int64_t sequences, Precision precision);

}  // namespace sparse_transformer
