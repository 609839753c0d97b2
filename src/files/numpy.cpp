#include "files/numpy.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "config/errors.h"
#include "config/scalars.h"

namespace sparse_transformer {

namespace {

constexpr std::size_t kMaxHeader = 65'535;
constexpr std::size_t kMaxDimensions = 32;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 62;

/// The header, as NumPy writes it: a Python dictionary of exactly these three entries, in any
/// order. {'descr': '|u1', 'fortran_order': False, 'shape': (10, 3072), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : unread_(text) {}

  /// Nothing where it is not such a dictionary.
  std::optional<NumpyArray> parse() {
    std::optional<std::string> type;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::int64_t>> shape;
    if (!take("{")) return std::nullopt;
    while (!take("}")) {
      const std::optional<std::string> key = text();
      if (!key || !take(":")) return std::nullopt;
      if (*key == "descr" && !type) {
        type = text();
      } else if (*key == "fortran_order" && !fortran_order) {
        fortran_order = truth();
      } else if (*key == "shape" && !shape) {
        shape = tuple();
      } else {
        return std::nullopt;
      }
      if (!take(",") && !unread_.starts_with('}')) return std::nullopt;
    }
    skip_blanks();
    if (!unread_.empty() || !type || !fortran_order || !shape) return std::nullopt;
    return NumpyArray{*type, *fortran_order, *shape, {}};
  }

 private:
  void skip_blanks() {
    unread_.remove_prefix(std::min(unread_.find_first_not_of(" \n"), unread_.size()));
  }

  bool take(std::string_view word) {
    skip_blanks();
    if (!unread_.starts_with(word)) return false;
    unread_.remove_prefix(word.size());
    skip_blanks();
    return true;
  }

  std::optional<std::string> text() {
    const std::string_view quote = unread_.substr(0, 1);
    if (quote != "'" && quote != "\"") return std::nullopt;
    const std::size_t end = unread_.find(quote, 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string text(unread_.substr(1, end - 1));
    unread_.remove_prefix(end + 1);
    return text;
  }

  std::optional<bool> truth() {
    if (take("False")) return false;
    if (take("True")) return true;
    return std::nullopt;
  }

  std::optional<std::vector<std::int64_t>> tuple() {
    std::vector<std::int64_t> numbers;
    if (!take("(")) return std::nullopt;
    while (!take(")")) {
      std::int64_t number = 0;
      const auto [end, error] =
          std::from_chars(unread_.data(), unread_.data() + unread_.size(), number);
      if (error != std::errc() || number < 0 || numbers.size() == kMaxDimensions) {
        return std::nullopt;
      }
      unread_.remove_prefix(static_cast<std::size_t>(end - unread_.data()));
      take("L");  // Python 2 wrote its long integers so
      numbers.push_back(number);
      if (!take(",") && !unread_.starts_with(')')) return std::nullopt;
    }
    return numbers;
  }

  std::string_view unread_;
};

/// Nothing where there are more than kMaxElements.
std::optional<std::int64_t> element_count(const std::vector<std::int64_t>& shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size > kMaxElements / count) return std::nullopt;
    count *= size;
  }
  return count;
}

[[noreturn]] void refuse(const std::string& name, const std::string& problem) {
  throw UserError(name + ": " + problem + "; expected an array saved by NumPy (.npy)");
}

/// Where the header's text begins and how long it is.
struct HeaderPlace {
  std::size_t begin, size;
};

HeaderPlace find_header(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (!text.starts_with(kMagic)) refuse(name, text.empty() ? "empty" : "not a NumPy file");
  const auto number = [&](std::size_t at) {
    if (at >= bytes.size()) refuse(name, "cut off in its header");
    return std::to_integer<std::size_t>(bytes[at]);
  };
  const std::size_t version = number(6);
  if (version < 1 || version > 3 || number(7) != 0) {
    refuse(name, "of format version " + std::to_string(version) + "." + std::to_string(number(7)));
  }
  const std::size_t begin = version == 1 ? 10 : 12;
  std::size_t size = number(8) | number(9) << 8;
  if (version > 1) size |= number(10) << 16 | number(11) << 24;
  if (size > kMaxHeader) refuse(name, "a header of " + std::to_string(size) + " bytes");
  if (size > bytes.size() - begin) refuse(name, "cut off in its header");
  return {begin, size};
}

}  // namespace

bool NumpyArray::is_uint8() const { return !fortran_order && type == "|u1"; }

std::string NumpyArray::description() const {
  std::string text = type == "|u1" ? "uint8 [" : one_line(type) + " [";
  for (const std::int64_t size : shape) {
    text += (text.ends_with('[') ? "" : ", ") + std::to_string(size);
  }
  return text + (fortran_order ? "] in Fortran order" : "]");
}

NumpyArray read_numpy(std::span<const std::byte> bytes, const std::string& name) {
  const auto [begin, size] = find_header(bytes, name);
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + begin, size);
  std::optional<NumpyArray> array = HeaderParser(header).parse();
  if (!array) refuse(name, "its header names no plain array");
  if (array->type == "<u1" || array->type == ">u1") array->type = "|u1";  // one byte has no order
  const std::optional<std::int64_t> count = element_count(array->shape);
  if (!count) refuse(name, "more than 2^62 elements");
  array->bytes = bytes.subspan(begin + size);
  if (array->type == "|u1" && std::cmp_not_equal(array->bytes.size(), *count)) {
    throw UserError(name + ": " + std::to_string(array->bytes.size()) + " bytes of " +
                    array->description() +
                    (std::cmp_less(array->bytes.size(), *count) ? ", so it is cut off"
                                                                : ", so something is behind it"));
  }
  return std::move(*array);
}

}  // namespace sparse_transformer
