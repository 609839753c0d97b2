// Files, bases and overrides: how they merge, and every way that they can be wrong.
#include "config/config.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "tests/config/example_settings.h"

namespace sparse_transformer {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

class Configs : public InFolder {};

TEST_F(Configs, NothingGivenKeepsEveryDefault) {
  EXPECT_EQ(read({}), ExampleSettings());
  EXPECT_EQ(read_text(""), ExampleSettings());
  EXPECT_EQ(read_text("# only a comment\n"), ExampleSettings());
  EXPECT_EQ(read_text("---\n...\n"), ExampleSettings());
  EXPECT_EQ(read_text("{}"), ExampleSettings());
}

TEST_F(Configs, LaterFilesAndOverridesWinKeyByKey) {
  write("a.yaml", "steps: 1\nshare: 0.1\ninner: {rate: 1, layers: [a]}\nshape: [1, 2, 3]");
  write("b.yaml", "share: 0.2\ninner: {rate: 2}\nshape: [9]");
  const ExampleSettings settings = read({"a.yaml", "b.yaml"}, {"inner.rate=3", "inner.rate=4"});
  EXPECT_EQ(settings.steps, 1);
  EXPECT_EQ(settings.share, 0.2);
  EXPECT_EQ(settings.inner.rate, 4.0);
  EXPECT_EQ(settings.inner.layers, WordLists{{"a"}});
  EXPECT_THAT(settings.shape, ElementsAre(9));
}

TEST_F(Configs, OverridesAreYaml) {
  const ExampleSettings settings =
      read({}, {"shape=[1, 2]", "title=a=b", "inner={rate: 5}", "schedule=off"});
  EXPECT_THAT(settings.shape, ElementsAre(1, 2));
  EXPECT_EQ(settings.title, "a=b");
  EXPECT_EQ(settings.inner.rate, 5.0);
  EXPECT_EQ(settings.schedule, Schedule::kOff);
}

TEST_F(Configs, AnEmptySectionChangesNothing) {
  write("a.yaml", "inner: {rate: 1}");
  write("b.yaml", "inner:\n  # rate: 2\n");
  EXPECT_EQ(read({"a.yaml", "b.yaml"}).inner.rate, 1.0);
}

TEST_F(Configs, BasesLieUnderTheFile) {
  write("sub/grand.yaml", "steps: 1\nshare: 0.1\ntitle: grand");
  write("sub/parent.yaml", "base: grand.yaml\nshare: 0.2\nsequence: 2");
  write("other.yaml", "title: other\nsequence: 3");
  write("a.yaml", "base: [sub/parent.yaml, other.yaml]\nsequence: 4");
  const ExampleSettings settings = read({"a.yaml"});
  EXPECT_EQ(settings.steps, 1);
  EXPECT_EQ(settings.share, 0.2);
  EXPECT_EQ(settings.title, "other");
  EXPECT_EQ(settings.sequence, 4);
}

TEST_F(Configs, TheSameBaseTwiceIsNoCircle) {
  write("base.yaml", "steps: 1");
  write("a.yaml", "base: base.yaml");
  write("b.yaml", "base: [base.yaml, a.yaml]");
  EXPECT_EQ(read({"b.yaml"}).steps, 1);
}

TEST_F(Configs, WrongBases) {
  write("a.yaml", "base: b.yaml");
  write("b.yaml", "steps: 1\nbase: ./a.yaml");
  EXPECT_EQ(error_of({"a.yaml"}),
            "b.yaml:2: base: ./a.yaml: a circle, this file is already being read");
  EXPECT_EQ(error_of_text("base: a.yaml"),
            "a.yaml:1: base: a.yaml: a circle, this file is already being read");
  EXPECT_EQ(error_of_text("base: missing.yaml"), "a.yaml:1: base: missing.yaml: no such file");
  EXPECT_EQ(error_of_text("base:"),
            "a.yaml:1: base: got nothing, expected a path or a list of paths");
  EXPECT_EQ(error_of_text("inner: {base: b.yaml}"), "a.yaml:1: inner.base: unknown setting");
  EXPECT_EQ(error_of({}, {"base=b.yaml"}), "--set base=b.yaml: base: unknown setting");
}

TEST_F(Configs, PathsAreRelativeToTheFileThatGivesThem) {
  write("sub/deep/base.yaml", "data: [one, ../two, /three]\nsplit: [valid]");
  write("a.yaml", "base: sub/deep/base.yaml");
  EXPECT_THAT(read({"a.yaml"}).data, ElementsAre("sub/deep/one", "sub/two", "/three"));
  EXPECT_EQ(read({"a.yaml"}).split, NumberOrPaths(std::vector<std::string>{"sub/deep/valid"}));
  EXPECT_THAT(read({"a.yaml"}, {"data=one"}).data, ElementsAre("one"));
  EXPECT_THAT(read({folder_ / "a.yaml"}).data[0], folder_ / "sub/deep/one");
}

TEST_F(Configs, APathThroughALinkedFolderIsNotShortened) {
  write("elsewhere/sub/a.yaml", "data: ../one");
  std::filesystem::create_directory_symlink("elsewhere/sub", "link");
  EXPECT_THAT(read({"link/a.yaml"}).data, ElementsAre("link/../one"));
}

TEST_F(Configs, AllUnknownKeysAreNamedAtOnce) {
  write("a.yaml",
        "stepz: 1\nenabled: 5\ninner:\n  rat: 1\n  depth: 2\nlayers: [a]\niner: {rate: 1}\n");
  EXPECT_EQ(error_of({"a.yaml"}, {"inner.xyz=1"}),
            "a.yaml:1: stepz: unknown setting (did you mean 'steps'?); "
            "a.yaml:4: inner.rat: unknown setting (did you mean 'inner.rate'?); "
            "a.yaml:5: inner.depth: unknown setting; "
            "--set inner.xyz=1: inner.xyz: unknown setting; "
            "a.yaml:6: layers: unknown setting (did you mean 'inner.layers'?); "
            "a.yaml:7: iner: unknown setting (did you mean 'inner'?)");
}

TEST_F(Configs, AKeyOfTwoLinesIsShownInOne) {
  EXPECT_EQ(error_of_text("\"a\\nb\": 1"), "a.yaml:1: a\\nb: unknown setting");
}

TEST_F(Configs, KeysWithADotAreUnknown) {
  EXPECT_EQ(error_of_text("inner.rate: 5"),
            "a.yaml:1: inner.rate: unknown setting (in a file, 'rate:' stands below 'inner:')");
}

TEST_F(Configs, AKeyGivenTwice) {
  EXPECT_EQ(error_of_text("inner:\n  rate: 1\n  rate: 1\n"),
            "a.yaml:3: inner.rate: given twice (first at a.yaml:2)");
  EXPECT_EQ(error_of_text("inner: {}\nsteps: 1\ninner: {}\n"),
            "a.yaml:3: inner: given twice (first at a.yaml:1)");
}

TEST_F(Configs, WrongFiles) {
  EXPECT_EQ(error_of({"missing.yaml"}), "missing.yaml: no such file");
  std::filesystem::create_directory("folder");
  EXPECT_EQ(error_of({"folder"}), "folder: a folder, expected a YAML file of settings");
  write("zeros", std::string(100, '\0'));
  EXPECT_EQ(error_of({"zeros"}), "zeros: not a text, expected YAML in UTF-8");
  write("large", std::string((1 << 20) + 1, ' '));
  EXPECT_EQ(error_of({"large"}), "large: larger than 1 MiB, expected a YAML file of settings");
  write("end", "steps: 5\n\x04share: 3");  // yaml-cpp would stop before the byte 4
  EXPECT_EQ(error_of({"end"}), "end: not a text, expected YAML in UTF-8");
  EXPECT_EQ(error_of_text("\nhello world"),
            "a.yaml:2: got hello world, expected settings as 'key: value'");
  EXPECT_EQ(error_of_text("- a\n- b"), "a.yaml:1: got [a, b], expected settings as 'key: value'");
}

TEST_F(Configs, AFileThatMayNotBeRead) {
  write("secret.yaml", "steps: 1");
  std::filesystem::permissions("secret.yaml", std::filesystem::perms::none);
  if (access("secret.yaml", R_OK) == 0) GTEST_SKIP() << "this user may read every file";
  EXPECT_EQ(error_of({"secret.yaml"}), "secret.yaml: cannot be read: Permission denied");
}

TEST_F(Configs, APipeIsAFile) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  ASSERT_EQ(::write(ends[1], "steps: 5", 8), 8);
  close(ends[1]);
  EXPECT_EQ(read({"/dev/fd/" + std::to_string(ends[0])}).steps, 5);
  close(ends[0]);
}

TEST_F(Configs, PathsOfAStreamStartAtTheCurrentFolder) {
  std::filesystem::create_directory("sub");
  ASSERT_EQ(mkfifo("sub/pipe", 0600), 0);
  std::thread writer([] { std::ofstream("sub/pipe") << "data: words"; });
  EXPECT_EQ(read({"sub/pipe"}).data, std::vector<std::string>{"words"});
  writer.join();
  write("sub/a.yaml", "data: words");
  EXPECT_EQ(read({"sub/a.yaml"}).data, std::vector<std::string>{"sub/words"});
  const int file = open("sub/a.yaml", O_RDONLY);  // a regular file, but its name tells no folder
  EXPECT_EQ(read({"/dev/fd/" + std::to_string(file)}).data, std::vector<std::string>{"words"});
  close(file);
}

TEST_F(Configs, ABaseIsARegularFile) {
  ASSERT_EQ(mkfifo("pipe", 0600), 0);
  const auto error_of_base = [this](const std::string& base) {
    write("a.yaml", "base: " + base);
    return error_of({"a.yaml"});
  };
  const std::string expected = ", expected a YAML file of settings";
  EXPECT_EQ(error_of_base("pipe"), "a.yaml:1: base: pipe: a pipe" + expected);
  EXPECT_EQ(error_of_base("/dev/zero"), "a.yaml:1: base: /dev/zero: a device or socket" + expected);
  EXPECT_EQ(error_of_base("/tmp"), "a.yaml:1: base: /tmp: a folder" + expected);
  EXPECT_EQ(error_of({"/dev/zero"}), "/dev/zero: larger than 1 MiB" + expected);
}

TEST_F(Configs, WrongYaml) {
  EXPECT_EQ(error_of_text("steps: 1\nshape: [1, 2\n"), "a.yaml:2: a '[' that is not closed");
  EXPECT_EQ(error_of_text("steps: 1: 2"),
            "a.yaml:1: not valid YAML: a ':' where none may be; put a text that has one in quotes");
  EXPECT_EQ(error_of_text("steps: *nothing"),
            "a.yaml:1: not valid YAML: an alias (*) of an anchor (&) that is not there");
  EXPECT_EQ(error_of_text("steps: 1\n---\nshare: 2\n"),
            "a.yaml:3: a second YAML document, expected one");
  EXPECT_EQ(error_of_text("? [a]\n: 1"), "a.yaml:1: the name of a setting is missing");
  EXPECT_EQ(error_of_text("~: 1"), "a.yaml:1: the name of a setting is missing");
}

TEST_F(Configs, WhatTheYamlLibraryFindsIsSaidInWordsOfOurOwn) {
  const std::string begin = "a.yaml:1: not valid YAML: ";
  EXPECT_EQ(error_of_text("title: \"a\\qb\""), begin + "an escape (\\) that YAML does not know");
  EXPECT_EQ(error_of_text("title: \"\\xZZ\""), begin + "an escape (\\) that YAML does not know");
  EXPECT_EQ(error_of_text("title: @x"),
            begin + "a value that begins with a sign; put it in quotes");
  EXPECT_EQ(error_of_text("inner: {rate: 1}}"),
            begin + "a bracket that is closed, but was not opened");
  EXPECT_EQ(error_of_text("title: - a"), begin + "a '-' where no list may begin");
  EXPECT_EQ(error_of_text("inner:\n  rate: 1\n words: a"),
            "a.yaml:3: not valid YAML: a line with a wrong indentation or without its ':'");
}

TEST_F(Configs, TextAfterAQuoteIsNamed) {
  const std::string begin = "a.yaml:1: text after the end of a quote: ";
  EXPECT_EQ(error_of_text("inner: {title: \"bytes\"x}"), begin + "x}");
  EXPECT_EQ(error_of_text("words: ['a' b]"), begin + "b]");
  EXPECT_EQ(error_of_text("title: \"bytes\"x"), begin + "x");
  EXPECT_EQ(error_of_text("'a' b"), begin + "b");
  EXPECT_EQ(error_of({}, {"title='a'b"}), "--set title='a'b: text after the end of a quote: b");
}

TEST_F(Configs, ATextWithANulCharacterIsRefused) {
  const std::string expected = ", expected a text without a NUL character";
  EXPECT_EQ(error_of_text("title: a\npath: \"text.txt\\0x\""),
            "a.yaml:2: got text.txt\\x00x" + expected);
  EXPECT_EQ(error_of_text("words: [b, \"\\x00\"]"), "a.yaml:1: got \\x00" + expected);
  EXPECT_EQ(error_of_text("title: !!binary YQBi"), "a.yaml:1: got a\\x00b" + expected);
  EXPECT_EQ(error_of_text("\"a\\0\": 1"), "a.yaml:1: got a\\x00" + expected);
  EXPECT_EQ(error_of({}, {"title=\"a\\0\""}), "--set title=\"a\\0\": got a\\x00" + expected);
}

TEST_F(Configs, WrongOverrides) {
  const std::string expected = ": expected KEY=VALUE, such as --set training.steps=1000";
  EXPECT_EQ(error_of({}, {"steps"}), "--set steps" + expected);
  EXPECT_EQ(error_of({}, {""}), "--set " + expected);
  EXPECT_EQ(error_of({}, {"=5"}), "--set =5" + expected);
  EXPECT_EQ(error_of({}, {".steps=5"}), "--set .steps=5" + expected);
  EXPECT_EQ(error_of({}, {"inner..rate=5"}), "--set inner..rate=5" + expected);
  EXPECT_EQ(error_of({}, {"inner.=5"}), "--set inner.=5" + expected);
  EXPECT_EQ(error_of({}, {"shape=[1"}), "--set shape=[1: a '[' that is not closed");
  EXPECT_EQ(error_of({}, {"title=a\x04"}),
            "--set title=a\\x04: not a text, expected YAML in UTF-8");
  EXPECT_EQ(error_of({}, {"steps=0"}),
            "--set steps=0: steps: got 0, expected a whole number of at least 1");
  EXPECT_EQ(error_of({}, {"steps.a=1"}),
            "--set steps.a=1: steps: got {a: 1}, expected a whole number of at least 1");
  EXPECT_EQ(error_of({}, {"inner.rtae=1"}),
            "--set inner.rtae=1: inner.rtae: unknown setting (did you mean 'inner.rate'?)");
}

TEST_F(Configs, OriginsNameTheLayerThatWon) {
  write("base.yaml", "steps: 1\n\ninner:\n  rate: 1\n");
  write("a.yaml", "base: base.yaml\nsteps: 2\n");
  const Config config({"a.yaml"}, {"share=0.5"});
  EXPECT_EQ(config.origin("steps"), "a.yaml:2");
  EXPECT_EQ(config.origin("inner.rate"), "base.yaml:4");
  EXPECT_EQ(config.origin("inner.layers"), "base.yaml:3");
  EXPECT_EQ(config.origin("share"), "--set share=0.5");
  EXPECT_EQ(config.origin("title"), "");
  EXPECT_EQ(config.origin("steps.below.a.value"), "a.yaml:2");
  EXPECT_EQ(config.origin(""), "");
}

TEST_F(Configs, ATextOfNoFile) {
  ExampleSettings settings;
  Config config = Config::from_text("steps: 5\ndata: x/y\n", "checkpoint", {"share=0.5"});
  config.read(settings);
  EXPECT_EQ(settings.steps, 5);
  EXPECT_EQ(settings.share, 0.5);
  EXPECT_THAT(settings.data, ElementsAre("x/y"));
  EXPECT_EQ(config.origin("steps"), "checkpoint:1");
  try {
    Config::from_text("steps: 5\nbase: secret.yaml\n", "checkpoint", {}).read(settings);
    FAIL();
  } catch (const UserError& error) {
    EXPECT_STREQ(error.what(), "checkpoint:2: base: unknown setting");
  }
}

TEST_F(Configs, AliasesAreExpanded) {
  const ExampleSettings settings = read_text("words: &w [a, b]\ninner: {layers: [*w, c]}\n");
  EXPECT_EQ(settings.inner.layers, (WordLists{{"a", "b"}, {"c"}}));
  EXPECT_EQ(error_of_text("words: &w [*w]\n"), "a.yaml:1: an alias inside the value that it names");
}

TEST_F(Configs, AnEmptyPathIsRefused) {
  EXPECT_EQ(error_of_text("data: ''"),
            "a.yaml:1: data: got \"\", expected a path or a list of paths");
  EXPECT_EQ(error_of_text("data: [a, '']"),
            "a.yaml:1: data: got [a, \"\"], expected a path or a list of paths");
  EXPECT_THAT(error_of_text("split: ''"), StartsWith("a.yaml:1: split: got \"\", expected"));
  EXPECT_THAT(error_of_text("base: ''"), StartsWith("a.yaml:1: base: got \"\", expected a path"));
}

TEST_F(Configs, PathsThatAreNotUtf8AreReadAndWrittenAsTheyAre) {
  const ExampleSettings settings = read_text("data: caf\xe9/te\xff\n");
  EXPECT_THAT(settings.data, ElementsAre("caf\xe9/te\xff"));
  const std::string yaml = resolved_yaml(settings);
  EXPECT_THAT(yaml, testing::HasSubstr("data: [!!binary \"Y2Fm6S90Zf8=\"]"));
  EXPECT_EQ(read_text(yaml), settings);
  EXPECT_THAT(read_text("data: [&a !!binary Y2Fm6Q==, *a]").data,
              ElementsAre("caf\xe9", "caf\xe9"));
  EXPECT_EQ(error_of_text("steps: 1\ndata: !!binary '*'\n"), "a.yaml:2: !!binary without base64");
}

TEST_F(Configs, TabsInTheIndentationAreNamed) {
  const std::string tab = ": a tab in the indentation, expected spaces";
  EXPECT_EQ(error_of_text("inner:\n\trate: 5\n"), "a.yaml:2" + tab);
  EXPECT_EQ(error_of_text("inner:\n  \trate: 5\n"), "a.yaml:2" + tab);
  EXPECT_EQ(error_of_text("words:\n\t- a\n\t- b\n"), "a.yaml:2" + tab);
  EXPECT_EQ(error_of_text("words:\n  - a\n\t- b\n"), "a.yaml:3" + tab);
  EXPECT_EQ(error_of_text("inner:\n  rate: 5\n\tdeep: {size: 1}\n"), "a.yaml:3" + tab);
  EXPECT_EQ(error_of_text("title:\n\tx\n"), "a.yaml:2" + tab);
}

TEST_F(Configs, TabsElsewhereAreSpaces) {
  EXPECT_EQ(read_text("inner: {\n\trate: 5}\n").inner.rate, 5);
  EXPECT_EQ(read_text("steps:\t3\t# three\n\t\n").steps, 3);
  EXPECT_EQ(read_text("title: 'a\tb'\n").title, "a\tb");
}

TEST_F(Configs, MergeKeysAreNamed) {
  const std::string merge =
      "<<: merge keys are not read; write the settings out, or put them into a file that 'base:' "
      "names";
  EXPECT_EQ(error_of_text("inner: &i {rate: 5}\n<<: *i\n"), "a.yaml:2: " + merge);
  EXPECT_EQ(error_of_text("inner: {<<: {rate: 5}}\n"), "a.yaml:1: inner." + merge);
}

TEST_F(Configs, WhatIsNotClosedIsNamedWhereItBegins) {
  const std::string quote = ": a quote that is not closed";
  EXPECT_EQ(error_of_text("steps: 1\ntitle: \"a\nshare: 0.5\n"), "a.yaml:2" + quote);
  EXPECT_EQ(error_of_text("steps: 1\ntitle: 'it''s\nshare: 0.5\n"), "a.yaml:2" + quote);
  EXPECT_EQ(error_of_text("title: \"a\\\""), "a.yaml:1" + quote);
  EXPECT_EQ(error_of_text("title: &a !!str \"a"), "a.yaml:1" + quote);
  EXPECT_EQ(error_of_text("inner: {layers: ['a]}\n"), "a.yaml:1" + quote);
  EXPECT_EQ(error_of_text("words:\n  - a\n  - 'b\n"), "a.yaml:3" + quote);
  EXPECT_EQ(error_of({}, {"title='a"}), "--set title='a" + quote);
  EXPECT_EQ(error_of_text("steps: 1\ninner: {rate: 5\n\n"), "a.yaml:2: a '{' that is not closed");
  EXPECT_EQ(error_of_text("words: [a,\n  b\n"), "a.yaml:1: a '[' that is not closed");
}

TEST_F(Configs, QuotesThatAreClosedAreRead) {
  EXPECT_EQ(read_text("title: 'it''s'\n").title, "it's");
  EXPECT_EQ(read_text("title: it's\n").title, "it's");
  EXPECT_EQ(read_text("title: \"a\\\"b\"").title, "a\"b");
  EXPECT_EQ(read_text("title: |\n  \"a\n").title, "\"a\n");
  EXPECT_EQ(read_text("\xef\xbb\xbftitle: 'a'").title, "a");
  EXPECT_EQ(read_text("\"steps\": 3\n'title': &x 'a' # don't\n").title, "a");
}

TEST_F(Configs, CharactersThatLookLikeOthersAreNamed) {
  const std::string space = " (it has a no-break space, U+00A0)";
  EXPECT_EQ(error_of_text("enabled: true\nsteps: 3\u00a0\n"),
            "a.yaml:2: steps: got 3\u00a0, expected a whole number of at least 1" + space);
  EXPECT_EQ(error_of_text("inner:\n\u00a0 rate: 5\n"),
            "a.yaml:2: \u00a0 rate: unknown setting" + space);
  EXPECT_EQ(error_of_text("steps: 1\n\ufeffshare: 0.5\n"),
            "a.yaml:2: \ufeffshare: unknown setting (it has a byte order mark, U+FEFF)");
  EXPECT_EQ(
      error_of_text("inner:\n  rate\uff1a 5\n"),
      "a.yaml:1: inner: got rate\uff1a 5, expected a section of settings (it has a full-width "
      "colon, U+FF1A)");
  EXPECT_EQ(error_of_text("steps: 3\xc2\x85share: 0.5\n"),
            "a.yaml:1: not valid YAML: a ':' where none may be; put a text that has one in quotes "
            "(it has a next-line character, U+0085)");
  EXPECT_EQ(read_text("title: caf\u00e9\u00a0au lait\n").title, "caf\u00e9\u00a0au lait");
}

TEST_F(Configs, NumbersBeyondIntegersAreNamed) {
  EXPECT_EQ(error_of_text("steps: 9223372036854775808"),
            "a.yaml:1: steps: got 9223372036854775808, expected a whole number of at least 1, "
            "written in digits and at most 9223372036854775807");
  EXPECT_EQ(error_of_text("steps: -9223372036854775808"),
            "a.yaml:1: steps: got -9223372036854775808, expected a whole number of at least 1");
}

TEST_F(Configs, BombsAreRefused) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (char level = '1'; level <= '9'; ++level) {
    std::string line = "aN: &aN [*aM, *aM, *aM, *aM, *aM, *aM, *aM, *aM, *aM, *aM]\n";
    std::replace(line.begin(), line.end(), 'N', level);
    std::replace(line.begin(), line.end(), 'M', static_cast<char>(level - 1));
    laughs += line;
  }
  EXPECT_THAT(error_of_text(laughs), StartsWith("a.yaml:5: more values than settings can have"));
  EXPECT_EQ(error_of_text("a: " + std::string(100000, '[')),
            "a.yaml:1: nested too deep to be settings");
  EXPECT_EQ(error_of_text("a: " + std::string(1000, '{')),
            "a.yaml:1: nested too deep to be settings");
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_EQ(error_of_text(deep), "a.yaml:33: nested too deep to be settings");
}

}  // namespace
}  // namespace sparse_transformer
