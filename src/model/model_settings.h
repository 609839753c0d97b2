// The `model:` section of a config.
#pragma once

#include <cstdint>
#include <vector>

#include "attention/attention_settings.h"
#include "config/fields.h"
#include "model/augmentation.h"

namespace sparse_transformer {

/// Standard deviations of the initial weights (paper §5.2 and §6, in the released code's reading:
/// 0.125 / width is a variance). Biases start at 0, gains at 1, the output matrix at 0.
struct InitialisationSettings {
  double token = 0.01;     // token embedding and start vector
  double position = 0.01;  // summed over the tables: each gets position / √tables
  double weight = 0.125;   // variance · input width of a projection
  double residual =
      0.5;  // further factor on the variance of what adds to the residual path, over the layers
  void describe(FieldVisitor& visit);
};

struct ModelSettings {
  std::int64_t layers = 4;
  std::int64_t width = 128;  // d
  std::int64_t heads = 4;
  double qk_ratio = 1.0;           // width of queries and keys over d
  double feedforward_ratio = 4.0;  // inner width over d
  double dropout = 0.0;
  double embedding_dropout = 0.0;
  AttentionSettings attention;
  AugmentationSettings augmentation;
  InitialisationSettings initialisation;
  void describe(FieldVisitor& visit);

  std::int64_t query_width() const;        // of one head
  std::int64_t value_width() const;        // of one head
  std::int64_t feedforward_width() const;  // inner
};

/// What a sequence looks like to the model.
struct SequenceLayout {
  std::int64_t length;             // n, tokens
  std::vector<std::int64_t> axes;  // sizes of the position tables; the last varies fastest

  /// Height, width, channels; empty for streams.
  std::vector<std::int64_t> picture_shape() const;
};

/// Pictures have a table each for rows, columns and channels; streams for the rows and columns of a
/// matrix of width l (paper eq. 15, §5.3).
SequenceLayout sequence_layout(std::int64_t length, const std::vector<std::int64_t>& picture_shape,
                               std::int64_t stride);

/// Fills in what follows from other settings (the stride, the short names of patterns) and checks
/// that all fit each other. Throws SettingError naming the key.
void resolve(ModelSettings& settings, std::int64_t length,
             const std::vector<std::int64_t>& picture_shape);

}  // namespace sparse_transformer
