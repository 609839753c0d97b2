#include "runtime/shell.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace sparse_transformer {
namespace {

/// What sh makes of a word.
std::string read_by_shell(const std::string& word) {
  // The shell is what is tested. NOLINTNEXTLINE(bugprone-command-processor)
  std::FILE* const output = ::popen(("printf %s " + word).c_str(), "r");
  if (output == nullptr) throw std::runtime_error("no shell");
  std::array<char, 4096> buffer{};
  const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), output);
  EXPECT_EQ(::pclose(output), 0) << word;
  return {buffer.data(), size};
}

TEST(Shell, PlainWordsStay) {
  for (const char* word :
       {"runs/first", "--out", "training.steps=16", "a-b_c.d,e+f:1@2", "100%", "-1"}) {
    EXPECT_EQ(shell_quoted(word), word);
  }
}

TEST(Shell, WordsThatAShellTakesApartAreQuoted) {
  EXPECT_EQ(shell_quoted("my runs/first"), "'my runs/first'");
  EXPECT_EQ(shell_quoted(""), "''");
  EXPECT_EQ(shell_quoted("it's"), R"('it'\''s')");
  EXPECT_EQ(shell_quoted("=ls"), "'=ls'");
  EXPECT_EQ(shell_quoted("a\nb\\%'"), R"-("$(printf 'a\012b\\%%\047')")-");
}

TEST(Shell, LineEndsAtTheEndStay) {
  EXPECT_EQ(shell_quoted("a b\n\n"), R"('a b'$'\n\n')");
  EXPECT_EQ(shell_quoted("\n"), R"(''$'\n')");
}

TEST(Shell, AShellReadsTheWordBack) {
  for (const std::string word : {"a b",         "it's",    "$HOME `id` $(id)",
                                 "a\\b",        "\"q\"",   "*?[x]",
                                 "~",           "!x",      "#x",
                                 "a;b&c|d<e>",  "{a,b}",   "a\nb",
                                 "\x1b[31mred", "caf\xe9", "caf\u00e9",
                                 "%s\x01%d\\n", "\t",      "\u202ex\u202c",
                                 "a\x01'b",     "-x"}) {
    EXPECT_EQ(read_by_shell(shell_quoted(word)), word) << shell_quoted(word);
  }
}

TEST(Shell, ACommandHasItsWordsQuoted) {
  EXPECT_EQ(shell_command({"sample", "my runs/a", "--out", "x.txt"}),
            "sparse-transformer sample 'my runs/a' --out x.txt");
}

TEST(Shell, APathIsNoOption) {
  EXPECT_EQ(path_argument("-runs/a"), "./-runs/a");
  EXPECT_EQ(path_argument("runs/-a"), "runs/-a");
  EXPECT_EQ(path_argument(""), "");
}

}  // namespace
}  // namespace sparse_transformer
