#include "config/characters.h"

#include <gtest/gtest.h>

#include <string>

namespace sparse_transformer {
namespace {

TEST(Characters, AreDecodedWithTheirLength) {
  const auto expect = [](const std::string& text, char32_t code, std::size_t length) {
    EXPECT_EQ(first_character(text).code, code) << text;
    EXPECT_EQ(first_character(text).length, length) << text;
  };
  expect("ab", U'a', 1);
  expect(std::string(1, '\0'), 0, 1);
  expect("\u00e9x", U'\u00e9', 2);
  expect("\u20acx", U'\u20ac', 3);
  expect("\U0001F3B5", U'\U0001F3B5', 4);
}

TEST(Characters, BytesThatAreNotUtf8AreNone) {
  for (const std::string text :
       {"\x80", "\xff", "\xc3", "\xc3x", "\xc0\xaf", "\xe2\x82", "\xe0\x80\xaf", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80"}) {
    EXPECT_EQ(first_character(text).code, kNoCharacter) << text;
    EXPECT_EQ(first_character(text).length, 1U) << text;
    EXPECT_FALSE(is_utf8("a" + text));
  }
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("caf\u00e9 \u20ac \U0001F3B5"));
}

TEST(Characters, WhatControlsATerminalIsEscaped) {
  EXPECT_EQ(printable("\x1b]0;owned\x07"), R"(\x1b]0;owned\x07)");
  EXPECT_EQ(printable("a\nerror: b\r\t"), R"(a\nerror: b\r\t)");
  EXPECT_EQ(printable(std::string("a\0b", 3)), R"(a\x00b)");
  EXPECT_EQ(printable("\x7f"), R"(\x7f)");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            R"(\u009b31m)")
      << "C1: an escape sequence in one character";
  EXPECT_EQ(printable("\u202egnp.exe\u2066"), R"(\u202egnp.exe\u2066)");
  EXPECT_EQ(printable("a\u2028b"), R"(a\u2028b)");
  EXPECT_EQ(printable("caf\xe9"), R"(caf\xe9)");
  EXPECT_EQ(printable("\xc3"), R"(\xc3)");
}

TEST(Characters, WhatIsTextStays) {
  for (const std::string text : {"", "a b", "back\\slash", "caf\u00e9 \u65e5\u672c \U0001F3B5",
                                 "no\u00a0break", "\u05d0\u200f"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Characters, StrangeOnesAreNamed) {
  EXPECT_EQ(strange_character("3\u00a0"), " (it has a no-break space, U+00A0)");
  EXPECT_EQ(strange_character("\ufeffsteps"), " (it has a byte order mark, U+FEFF)");
  EXPECT_EQ(strange_character("a\u200bb\u00a0"), " (it has a zero-width space, U+200B)");
  EXPECT_EQ(strange_character("steps\uff1a 3"), " (it has a full-width colon, U+FF1A)");
  EXPECT_EQ(strange_character("\uff13"), " (it has a full-width character, U+FF13)");
  EXPECT_EQ(strange_character("\u201c3\u201d"), " (it has a typographic quote, U+201C)");
  EXPECT_EQ(strange_character("\u20133"), " (it has a dash that is no hyphen, U+2013)");
  EXPECT_EQ(strange_character("\u2003x"), " (it has a wide space, U+2003)");
  EXPECT_EQ(strange_character("x\u202e"), " (it has a control character, U+202E)");
  EXPECT_EQ(strange_character("caf\u00e9 \xff\n\u65e5"), "");
}

}  // namespace
}  // namespace sparse_transformer
