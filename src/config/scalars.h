// One value as YAML text, and back. We read numbers from the text ourselves, since YAML's versions
// and libraries differ on what `010`, `1e-3` or `12:30` are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sparse_transformer {

/// true, yes, on; false, no, off; in any case.
std::optional<bool> parse_bool(std::string_view text);
/// Decimal digits with an optional sign, or a decimal fraction without a fractional part (1e6), up
/// to 2^53.
std::optional<std::int64_t> parse_integer(std::string_view text);
/// What an error adds where the text is a whole number that parse_integer() does not take:
/// ", written in digits and at most 9223372036854775807". Otherwise empty.
std::string integer_limit(std::string_view text);
/// A finite decimal number: 3, -0.5, .5, 1e-3.
std::optional<double> parse_number(std::string_view text);

/// The shortest digits that read back as the same double: 5, 0.00035, 1e-08.
std::string number_text(double number);
/// The same, always with a dot, which YAML 1.1 asks of a float: 5.0, 1.0e-08.
std::string yaml_number(double number);
/// The text, in double quotes unless any YAML reader takes it for just that text. Bytes that are
/// not UTF-8 (of a file's name) become base64 with YAML's tag !!binary.
std::string yaml_word(std::string_view text);
std::string yaml_quoted(std::string_view text);

/// The printable text with its end cut, to be named in a message of one line.
std::string one_line(std::string_view text);

}  // namespace sparse_transformer
