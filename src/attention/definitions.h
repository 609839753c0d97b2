// Patterns with settings of their own, defined under a name in `model.attention.define` and used by
// that name like any other. Each kind declares its settings once and says which pieces it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "attention/piece.h"
#include "config/fields.h"

namespace sparse_transformer {

/// Positions that a setting can count at most, so that no product of two overflows.
inline constexpr std::int64_t kMostPositions = std::int64_t{1} << 30;

/// What a pattern is laid out for.
struct PatternPlace {
  std::int64_t stride;      // l
  std::int64_t length;      // n
  std::int64_t heads;       // of the layer
  std::int64_t first_head;  // of the group
  std::int64_t group_heads;
};

/// i - j in [0, width·dilation) and i ≡ j mod dilation (Longformer, NATTEN's causal form).
struct WindowPattern {
  static constexpr std::string_view kName = "window";
  static constexpr std::string_view kMeaning = "the last positions, itself included";
  std::optional<std::int64_t> width;
  std::int64_t dilation = 1;
  std::int64_t origin = 0;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// j < tokens: attention sinks, and global tokens at the start (StreamingLLM).
struct SinkPattern {
  static constexpr std::string_view kName = "sink";
  static constexpr std::string_view kMeaning = "the first positions of the sequence";
  std::int64_t tokens = 4;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// j < tokens: within the prefix each position sees those before it, behind it all see all of it. A
/// text before a picture (DALL-E), whose rows and columns are counted from an `origin`.
struct PrefixPattern {
  static constexpr std::string_view kName = "prefix";
  static constexpr std::string_view kMeaning = "a text before a picture: all of it before itself";
  std::int64_t tokens = 256;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// Positions that differ along one axis of a picture or volume only (axial attention).
struct AxisPattern {
  static constexpr std::string_view kName = "axis";
  static constexpr std::string_view kMeaning = "earlier positions along one axis of a grid";
  std::optional<std::int64_t> size;
  std::int64_t inner = 1;
  std::int64_t origin = 0;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// i - j = r·row + c with 0 <= r <= kernel/2 and |c| <= kernel/2: the causal half of a square
/// around the position, wrapping around at the ends of rows (DALL-E's last layer).
struct ConvolutionPattern {
  static constexpr std::string_view kName = "convolution";
  static constexpr std::string_view kMeaning =
      "a square around itself, as far as it lies before it, in raster order";
  std::int64_t kernel = 11;
  std::optional<std::int64_t> row;
  std::int64_t origin = 0;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// `count` evenly spaced columns of every earlier row, the row's last among them (Jukebox).
struct SpreadPattern {
  static constexpr std::string_view kName = "spread";
  static constexpr std::string_view kMeaning = "evenly spaced positions of every earlier row";
  std::int64_t count = 4;
  std::optional<std::int64_t> row;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// Key blocks b before one's own with b + 1 + h·step ≡ 0 mod stride, step = max(1, stride / heads)
/// (Phi-3-small).
struct VerticalPattern {
  static constexpr std::string_view kName = "vertical";
  static constexpr std::string_view kMeaning =
      "every so many blocks of positions, other ones for the next head";
  std::int64_t block = 64;
  std::int64_t stride = 8;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// `blocks` blocks before one's own (BigBird): all of them while there are no more.
struct RandomPattern {
  static constexpr std::string_view kName = "random";
  static constexpr std::string_view kMeaning = "earlier blocks of positions, drawn for each head";
  std::int64_t block = 32;
  std::int64_t blocks = 3;
  std::int64_t seed = 1;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// i / segment = j / segment and i ≡ j mod dilation (LongNet; a union mixes several).
struct SegmentsPattern {
  static constexpr std::string_view kName = "segments";
  static constexpr std::string_view kMeaning = "its segment up to itself, or only so many apart";
  std::optional<std::int64_t> segment;
  std::int64_t dilation = 1;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// Chosen positions, which they themselves and all later ones see.
struct GlobalPattern {
  static constexpr std::string_view kName = "global";
  static constexpr std::string_view kMeaning = "chosen positions, for all from there on";
  std::vector<std::int64_t> positions = {0};
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
};

/// Row q of a table of 0 and 1 says which key blocks query block q sees; what lies behind the query
/// is left out.
struct LayoutPattern {
  static constexpr std::string_view kName = "layout";
  static constexpr std::string_view kMeaning = "what a text file of 0 and 1 says, block by block";
  std::int64_t block = 32;
  std::vector<std::string> path;
  std::vector<std::string> rows;
  void describe(FieldVisitor& visit);
  std::vector<Piece> pieces(const PatternPlace& place) const;
  /// Puts what the file says in the place of its name. Throws UserError with file:line.
  void read_file();
};

struct Definition {
  std::variant<WindowPattern, SinkPattern, PrefixPattern, SegmentsPattern, AxisPattern,
               ConvolutionPattern, SpreadPattern, VerticalPattern, GlobalPattern, RandomPattern,
               LayoutPattern>
      kind;
  void describe(FieldVisitor& visit) { visit.one_of(kind); }
};

/// The disjoint pieces of a definition. Throws SettingError, key "KIND.SETTING", where its settings
/// do not fit each other or the place.
std::vector<Piece> pieces(const Definition& definition, const PatternPlace& place);

}  // namespace sparse_transformer
