// What heads attend to, over the sequence as people see it (paper figure 2).
#pragma once

#include <cstdint>
#include <vector>

#include "files/png.h"
#include "generation/attention_trace.h"
#include "model/model_settings.h"

namespace sparse_transformer {

/// A panel a map: layers and heads below each other, positions side by side, as in `choice`. A dot
/// is a pixel (the weights of its bytes added up) or a position of a stream, or several of a long
/// sequence. The brighter it is, the more is attended to it: as the square root of its weight over
/// the panel's largest, since most weights are far smaller. A picture lies dimly below and, as it
/// is, at the top; the query is marked, what comes later is blank. `tokens`: what was read.
Image draw_attention(const std::vector<AttentionMap>& maps, const AttentionChoice& choice,
                     const SequenceLayout& layout, const std::vector<std::uint8_t>& tokens);

}  // namespace sparse_transformer
