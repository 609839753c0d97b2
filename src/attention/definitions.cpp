#include "attention/definitions.h"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <utility>

#include "config/errors.h"
#include "config/text_file.h"
#include "runtime/random.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kMostKernel = 1023;
constexpr std::int64_t kMostBlock = 512;  // of listed blocks, whose masks are its square

Range<std::int64_t> from(std::int64_t low) { return between(low, kMostPositions); }

std::string text(std::int64_t number) { return std::to_string(number); }

void visit_origin(FieldVisitor& visit, std::int64_t& origin) {
  visit.field("origin", origin, "position that rows are counted from; earlier ones are left out",
              from(0));
}

/// A band over the first `count` positions from `first` on.
Band leading(std::int64_t first, std::int64_t count) {
  return {.view = {.origin = first}, .keys = count};
}

/// `count` of 0 … below - 1, ascending; all where there are no more (Floyd's algorithm).
std::set<std::int64_t> draw(std::int64_t count, std::int64_t below, std::uint64_t seed,
                            std::uint32_t head) {
  std::set<std::int64_t> drawn;
  for (std::int64_t last = std::max<std::int64_t>(0, below - count); last < below; ++last) {
    const auto words = philox(
        seed, {static_cast<std::uint32_t>(below), static_cast<std::uint32_t>(last), head, 0});
    const auto choice =
        static_cast<std::int64_t>(to_uniform(words[0], words[1]) * static_cast<double>(last + 1));
    if (!drawn.insert(choice).second) drawn.insert(last);
  }
  return drawn;
}

/// Returns the text of a layout's file. Throws SettingError.
std::string read_layout(const std::string& path) {
  constexpr std::size_t kMostBytes = std::size_t{64} << 20U;
  try {
    return read_text_file(path, kMostBytes, TextSource::kFile,
                          "a text file with a line for each query block");
  } catch (const UserError& error) {
    throw SettingError("layout.path", error.what());
  }
}

/// All pairs of these blocks that are no look ahead.
void add_block(BlockTableBuilder& builder, std::int64_t query, const std::set<std::int64_t>& keys,
               std::int64_t block, std::int64_t length) {
  for (std::int64_t t = query * block; t < std::min(length, (query + 1) * block); ++t) {
    for (const std::int64_t key : keys) {
      for (std::int64_t j = key * block; j < std::min(t + 1, (key + 1) * block); ++j) {
        builder.add(t, j);
      }
    }
  }
}

std::vector<Piece> listed(BlockTableBuilder& builder) {
  BlockTable table = builder.finish();
  if (table.is_empty()) return {};
  return {Blocks(std::move(table))};
}

}  // namespace

void WindowPattern::describe(FieldVisitor& visit) {
  visit.field("width", width, "positions seen; default: the stride", from(1));
  visit.field("dilation", dilation, "distance between them", from(1));
  visit_origin(visit, origin);
}

std::vector<Piece> WindowPattern::pieces(const PatternPlace& place) const {
  return {Band{.view = {kUnbounded, dilation, origin}, .high = width.value_or(place.stride) - 1}};
}

void SinkPattern::describe(FieldVisitor& visit) {
  visit.field("tokens", tokens, "how many", from(1));
}

std::vector<Piece> SinkPattern::pieces(const PatternPlace& /*place*/) const {
  return {leading(0, tokens)};
}

void PrefixPattern::describe(FieldVisitor& visit) {
  visit.field("tokens", tokens, "length of the text", from(1));
}

std::vector<Piece> PrefixPattern::pieces(const PatternPlace& /*place*/) const {
  return {leading(0, tokens)};
}

void AxisPattern::describe(FieldVisitor& visit) {
  visit.field("size", size, "positions along the axis; default: to the end of the sequence",
              from(1));
  visit.field("inner", inner, "positions from one to the next: the product of the later axes",
              from(1));
  visit_origin(visit, origin);
}

std::vector<Piece> AxisPattern::pieces(const PatternPlace& /*place*/) const {
  return {Band{.view = {size.value_or(kUnbounded), inner, origin}}};
}

void ConvolutionPattern::describe(FieldVisitor& visit) {
  visit.field("kernel", kernel, "side of the square, odd", between<std::int64_t>(1, kMostKernel));
  visit.field("row", row, "positions a row; default: the stride", from(1));
  visit_origin(visit, origin);
}

std::vector<Piece> ConvolutionPattern::pieces(const PatternPlace& place) const {
  if (kernel % 2 == 0) {
    throw SettingError("convolution.kernel",
                       "got " + text(kernel) + ", expected an odd number: the square has a middle");
  }
  std::vector<Piece> bands;
  const std::int64_t half = kernel / 2;
  std::int64_t next = 0;  // the smallest difference that no band has yet
  for (std::int64_t r = 0; r <= half; ++r) {
    const std::int64_t middle = r * row.value_or(place.stride);
    const std::int64_t low = std::max(next, middle - half);
    if (low > middle + half) continue;
    bands.emplace_back(Band{.view = {.origin = origin}, .low = low, .high = middle + half});
    next = middle + half + 1;
  }
  return bands;
}

void SpreadPattern::describe(FieldVisitor& visit) {
  visit.field("count", count, "positions of a row", from(1));
  visit.field("row", row, "positions a row has; default: the stride", from(1));
}

std::vector<Piece> SpreadPattern::pieces(const PatternPlace& place) const {
  const std::int64_t period = row.value_or(place.stride);
  if (period % count != 0) {
    throw SettingError("spread.count",
                       text(count) + " positions do not divide a row of " + text(period));
  }
  const std::int64_t step = period / count;
  return {Shared{
      .period = period, .width = count, .width_step = step, .first = step - 1, .delay = period}};
}

void VerticalPattern::describe(FieldVisitor& visit) {
  visit.field("block", block, "positions a block", from(1));
  visit.field("stride", stride, "blocks from one that is seen to the next", from(1));
}

std::vector<Piece> VerticalPattern::pieces(const PatternPlace& place) const {
  const std::int64_t step = std::max<std::int64_t>(1, stride / place.heads);
  return {Shared{.period = block * stride,
                 .width = block,
                 .first = block * (stride - 1),
                 .rotate = block * step,
                 .blocks = std::min(place.heads, stride)}};
}

void RandomPattern::describe(FieldVisitor& visit) {
  visit.field("block", block, "positions a block", between<std::int64_t>(1, kMostBlock));
  visit.field("blocks", blocks, "blocks seen by each block", from(1));
  visit.field("seed", seed, "of the draw", at_least<std::int64_t>(0));
}

std::vector<Piece> RandomPattern::pieces(const PatternPlace& place) const {
  BlockTableBuilder builder(place.length, block, place.first_head);
  for (std::int64_t head = 0; head < place.group_heads; ++head) {
    builder.begin_head();
    for (std::int64_t query = 0; query * block < place.length; ++query) {
      const auto keys = draw(blocks, query, static_cast<std::uint64_t>(seed),
                             static_cast<std::uint32_t>(place.first_head + head));
      add_block(builder, query, keys, block, place.length);
    }
  }
  return listed(builder);
}

void SegmentsPattern::describe(FieldVisitor& visit) {
  visit.field("segment", segment, "positions a segment; default: the stride", from(1));
  visit.field("dilation", dilation, "distance between positions seen", from(1));
}

std::vector<Piece> SegmentsPattern::pieces(const PatternPlace& place) const {
  const std::int64_t size = segment.value_or(place.stride);
  if (size % dilation != 0) {
    throw SettingError("segments.dilation",
                       text(dilation) + " does not divide a segment of " + text(size));
  }
  return {Band{.view = {size / dilation, dilation}}};
}

void GlobalPattern::describe(FieldVisitor& visit) {
  visit.field("positions", positions, "which, counted from 0", from(0));
}

std::vector<Piece> GlobalPattern::pieces(const PatternPlace& place) const {
  std::vector<Piece> runs;
  const std::set<std::int64_t> chosen(positions.begin(), positions.end());
  std::int64_t next = -1;  // behind the newest run
  for (const std::int64_t position : chosen) {
    if (position >= place.length) {
      throw SettingError("global.positions", "position " + text(position) +
                                                 " is not in a sequence of " + text(place.length));
    }
    if (position == next) {
      ++std::get<Band>(runs.back()).keys;
    } else {
      runs.emplace_back(leading(position, 1));
    }
    next = position + 1;
  }
  return runs;
}

void LayoutPattern::describe(FieldVisitor& visit) {
  visit.field("block", block, "positions a block", between<std::int64_t>(1, kMostBlock));
  visit.paths("path", path, "a file with a line for each query block");
  visit.field("rows", rows, "its lines themselves, which a run keeps");
}

std::vector<Piece> LayoutPattern::pieces(const PatternPlace& place) const {
  const std::int64_t needed = (place.length + block - 1) / block;
  if (std::cmp_not_equal(rows.size(), needed)) {
    throw SettingError("layout", text(static_cast<std::int64_t>(rows.size())) +
                                     " lines, expected " + text(needed) + ": one for every " +
                                     text(block) + " of " + text(place.length) + " positions");
  }
  BlockTableBuilder builder(place.length, block, place.first_head);
  builder.begin_head();
  for (std::int64_t query = 0; query < needed; ++query) {
    const std::string& row = rows[static_cast<std::size_t>(query)];
    if (row.find_first_not_of("01") != std::string::npos || row.size() != rows.size()) {
      throw SettingError("layout.rows", "line " + text(query + 1) + " is '" + row + "', expected " +
                                            text(needed) + " times 0 or 1");
    }
    std::set<std::int64_t> keys;
    for (std::int64_t key = 0; key <= query; ++key) {
      if (row[static_cast<std::size_t>(key)] == '1') keys.insert(key);
    }
    add_block(builder, query, keys, block, place.length);
  }
  return listed(builder);
}

void LayoutPattern::read_file() {
  if (path.empty()) return;
  if (path.size() > 1) throw SettingError("layout.path", "expected one file");
  std::istringstream file(read_layout(path.front()));
  rows.clear();
  std::string line;
  while (std::getline(file, line)) {
    std::erase_if(line, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == ','; });
    const std::string place = path.front() + ":" + std::to_string(rows.size() + 1) + ": ";
    const std::size_t wrong = line.find_first_not_of("01");
    if (line.empty() || wrong != std::string::npos) {
      throw UserError(place + (line.empty() ? "an empty line" : "neither 0 nor 1") +
                      ", expected a 0 or 1 for each key block");
    }
    if (!rows.empty() && line.size() != rows.front().size()) {
      throw UserError(place + std::to_string(line.size()) + " key blocks, expected " +
                      std::to_string(rows.front().size()) + " as in the lines before");
    }
    rows.push_back(line);
  }
  if (rows.empty() || rows.size() != rows.front().size()) {
    throw UserError(path.front() + ": " + std::to_string(rows.size()) + " lines of " +
                    std::to_string(rows.empty() ? 0 : rows.front().size()) +
                    " key blocks, expected as many lines as key blocks");
  }
  path.clear();
}

std::vector<Piece> pieces(const Definition& definition, const PatternPlace& place) {
  return std::visit([&](const auto& kind) { return kind.pieces(place); }, definition.kind);
}

}  // namespace sparse_transformer
