// What heads of a model attend to while it reads a sequence.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attention/attention_weights.h"
#include "model/transformer.h"

namespace sparse_transformer {

/// Which queries to look at: every combination.
struct AttentionChoice {
  std::vector<std::int64_t> layers, heads, positions;
};

/// Fills the lists of `choice` that are empty with a spread over the model and a sequence of
/// `length` tokens: four layers, so many heads that eight maps lie below each other, four positions
/// in ever later rows. Throws UserError ("--layer", "--head", "--position") for a number that the
/// model or the sequence does not have.
AttentionChoice spread_choice(AttentionChoice choice, const ModelSettings& settings,
                              const SequenceLayout& layout, std::int64_t length);

struct AttentionMap {
  std::int64_t layer = 0, head = 0, position = 0;
  std::string pattern;  // the head's, as in the config
  QueryWeights query;

  /// How many keys would share the attention evenly for it to be spread as widely: e to the power
  /// of its entropy; 0 without any key.
  double spread() const;
  /// The index of the largest weight in `query`; nothing without any key.
  std::optional<std::size_t> strongest() const;
};

/// Reads the tokens, at most n, once, and keeps the weights of the chosen queries, by layer, head
/// and position. The query of position t is the one that predicts token t: it and its keys have
/// read the tokens before them. Throws Interrupted.
std::vector<AttentionMap> trace_attention(const Transformer& model,
                                          const std::vector<std::uint8_t>& tokens,
                                          const AttentionChoice& choice);

}  // namespace sparse_transformer
