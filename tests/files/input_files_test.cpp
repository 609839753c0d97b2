#include "files/input_files.h"

#include <archive.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "files/atomic_file.h"
#include "tests/files/archive_file.h"
#include "tests/files/expect_error.h"
#include "tests/files/file_size_limit.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

void put(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string get(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Entries opened(const std::vector<std::string>& paths) {
  Entries found;
  for (const InputFile& input : open_inputs(paths)) {
    found.emplace_back(input.name, std::string(reinterpret_cast<const char*>(input.bytes.data()),
                                               input.bytes.size()));
  }
  return found;
}

/// Text that does not compress away.
std::string noise(std::size_t size) {
  std::mt19937 random(1);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

class InputFiles : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  const TemporaryFolder folder_;
};

struct Compression {
  const char* name;
  int filter;
};
constexpr std::array<Compression, 4> kCompressions{{{"gz", ARCHIVE_FILTER_GZIP},
                                                    {"bz2", ARCHIVE_FILTER_BZIP2},
                                                    {"xz", ARCHIVE_FILTER_XZ},
                                                    {"zst", ARCHIVE_FILTER_ZSTD}}};

TEST_F(InputFiles, plain_files_are_mapped_in_the_order_given) {
  put(path("b"), "second letter");
  put(path("a"), "");
  EXPECT_THAT(opened({path("b"), path("a")}),
              ElementsAre(Pair(path("b"), "second letter"), Pair(path("a"), "")));
}

TEST_F(InputFiles, folder_is_walked_in_sorted_order_without_hidden_files) {
  std::filesystem::create_directories(path("d/sub"));
  std::filesystem::create_directories(path("d/.git"));
  put(path("d/z"), "3");
  put(path("d/sub/b"), "2");
  put(path("d/a"), "1");
  put(path("d/.hidden"), "x");
  put(path("d/.git/config"), "x");
  std::filesystem::create_symlink(path("d/a"), path("d/zz"));
  EXPECT_THAT(opened({path("d")}), ElementsAre(Pair(path("d/a"), "1"), Pair(path("d/sub/b"), "2"),
                                               Pair(path("d/z"), "3"), Pair(path("d/zz"), "1")));
}

TEST_F(InputFiles, folder_named_with_dots_is_not_hidden) {
  std::filesystem::create_directories(path(".d"));
  put(path(".d/a"), "1");
  EXPECT_THAT(opened({path(".d/../.d")}), SizeIs(1));
}

TEST_F(InputFiles, compressed_file_is_expanded) {
  const std::string content = noise(300'000);
  for (const Compression& compression : kCompressions) {
    const std::string name = path(std::string("text.txt.") + compression.name);
    write_archive(name, ARCHIVE_FORMAT_RAW, compression.filter, {{"data", content}});
    ASSERT_LT(100, std::filesystem::file_size(name));
    EXPECT_EQ(opened({name}), (Entries{{name + "/text.txt", content}})) << compression.name;
  }
}

TEST_F(InputFiles, archive_gives_its_files_sorted) {
  const Entries entries{{"d/", ""}, {"d/z", "zz"}, {"d/ä", noise(100'000)},
                        {"b", ""},  {".x", "?"},   {"d/._z", "?"}};
  const auto check = [&](const std::string& name) {
    EXPECT_EQ(
        opened({name}),
        (Entries{{name + "/b", ""}, {name + "/d/z", "zz"}, {name + "/d/ä", entries[2].second}}))
        << name;
  };
  for (const Compression& compression : kCompressions) {
    const std::string name = path(std::string("a.tar.") + compression.name);
    write_archive(name, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, compression.filter, entries);
    check(name);
  }
  write_archive(path("a.tar"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, entries);
  check(path("a.tar"));
  write_archive(path("a.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, entries);
  check(path("a.zip"));
}

TEST_F(InputFiles, the_name_does_not_decide) {
  write_archive(path("no-suffix"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"a", "content"}});
  put(path("notes.gz"), "plain text");
  EXPECT_THAT(
      opened({path("no-suffix"), path("notes.gz")}),
      ElementsAre(Pair(path("no-suffix/a"), "content"), Pair(path("notes.gz"), "plain text")));
}

// What libarchive would take for an archive, or what begins as one does.
TEST_F(InputFiles, text_is_never_taken_for_an_archive) {
  std::string ustar(1024, 'x');
  ustar.replace(257, 5, "ustar");
  const std::vector<std::string> texts = {"",
                                          "#mtree\n./a type=file\n",
                                          "BZh9 is how a bzip2 file begins",
                                          "PK is short for a name",
                                          "begin 644 a\n#0V%T\n`\nend\n",
                                          "WARC/1.0\r\n",
                                          ustar,
                                          "\x1f\x8b but no deflate"};
  for (const std::string& text : texts) {
    put(path("text"), text);
    EXPECT_EQ(opened({path("text")}), (Entries{{path("text"), text}})) << text;
  }
}

TEST_F(InputFiles, archives_within_a_folder_are_expanded) {
  std::filesystem::create_directories(path("d"));
  put(path("d/a"), "1");
  write_archive(path("d/b.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"x", "2"}});
  EXPECT_THAT(opened({path("d")}),
              ElementsAre(Pair(path("d/a"), "1"), Pair(path("d/b.zip/x"), "2")));
}

TEST_F(InputFiles, names_of_entries_cannot_leave_the_archive) {
  write_archive(path("a.tar"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE,
                {{"/etc/passwd", "1"}});
  EXPECT_THAT(opened({path("a.tar")}), ElementsAre(Pair(path("a.tar/etc/passwd"), "1")));
}

// A zip says of a name that it is UTF-8 by bit 11 of the entry's flags.
TEST_F(InputFiles, names_in_utf8_survive_the_plain_locale) {
  write_archive(path("a.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"\xc3\xa4", "1"}});
  std::string zip = get(path("a.zip"));
  zip[zip.find("PK\x03\x04") + 7] |= 0x08;
  zip[zip.find("PK\x01\x02") + 9] |= 0x08;
  put(path("a.zip"), zip);
  EXPECT_THAT(opened({path("a.zip")}), ElementsAre(Pair(path("a.zip/ä"), "1")));
}

TEST_F(InputFiles, nothing_is_left_in_the_temporary_folder) {
  std::filesystem::create_directories(path("tmp"));
  write_archive(path("a.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"a", "content"}});
  ::setenv("TMPDIR", path("tmp").c_str(), 1);
  const auto inputs = open_inputs({path("a.zip")});
  ::unsetenv("TMPDIR");
  EXPECT_TRUE(std::filesystem::is_empty(path("tmp")));
  EXPECT_THAT(inputs, SizeIs(1));
}

TEST_F(InputFiles, temporary_folder_that_is_missing_is_the_users_error) {
  write_archive(path("a.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"a", "content"}});
  ::setenv("TMPDIR", path("none").c_str(), 1);
  EXPECT_THAT(message_of<UserError>([&] { open_inputs({path("a.zip")}); }),
              HasSubstr(path("none")));
  ::unsetenv("TMPDIR");
}

TEST_F(InputFiles, what_is_missing_or_empty_is_named) {
  std::filesystem::create_directories(path("empty/sub"));
  put(path("file"), "");
  write_archive(path("a.tar"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, {{"d/", ""}});
  std::filesystem::create_directories(path("links"));
  std::filesystem::create_symlink(path("gone"), path("links/broken"));
  const auto refusal = [&](const std::string& name) {
    return message_of<UserError>([&] { open_inputs({path(name)}); });
  };
  EXPECT_THAT(refusal("none"), AllOf(HasSubstr(path("none")), HasSubstr("no such file")));
  EXPECT_THAT(refusal("file/below"), HasSubstr(path("file/below")));
  EXPECT_THAT(refusal("empty"), AllOf(HasSubstr(path("empty")), HasSubstr("no files")));
  EXPECT_THAT(refusal("a.tar"), AllOf(HasSubstr(path("a.tar")), HasSubstr("no files")));
  EXPECT_THAT(refusal("links"), HasSubstr(path("links/broken")));
}

TEST_F(InputFiles, cut_archives_are_refused) {
  const Entries entries{{"a", noise(50'000)}, {"b", noise(50'000)}};
  write_archive(path("a.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, entries);
  write_archive(path("a.tar"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, entries);
  std::vector<std::string> names = {path("a.zip"), path("a.tar")};
  for (const Compression& compression : kCompressions) {
    names.push_back(path(std::string("a.txt.") + compression.name));
    write_archive(names.back(), ARCHIVE_FORMAT_RAW, compression.filter, {entries[0]});
    names.push_back(path(std::string("a.tar.") + compression.name));
    write_archive(names.back(), ARCHIVE_FORMAT_TAR_USTAR, compression.filter, entries);
  }
  for (const std::string& name : names) {
    const std::string whole = get(name);
    for (const std::size_t size : {whole.size() / 4, whole.size() / 2, whole.size() * 9 / 10}) {
      put(name, whole.substr(0, size));
      EXPECT_THAT(message_of<UserError>([&] { open_inputs({name}); }), HasSubstr(name)) << size;
    }
  }
}

// The middle is stored as it is by every compressor, so only a checksum tells. (zstd's is optional,
// and libarchive writes none.)
TEST_F(InputFiles, damaged_archives_are_refused) {
  const std::string content = std::string(10'000, 'a') + noise(2000) + std::string(10'000, 'b');
  std::vector<std::string> names = {path("a.zip")};
  write_archive(path("a.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"a", content}});
  for (const int i : {0, 1, 2}) {
    names.push_back(path(std::string("a.txt.") + kCompressions[i].name));
    write_archive(names.back(), ARCHIVE_FORMAT_RAW, kCompressions[i].filter, {{"data", content}});
  }
  for (const std::string& name : names) {
    std::string damaged = get(name);
    damaged[damaged.size() / 2] ^= 1;
    put(name, damaged);
    EXPECT_THAT(message_of<UserError>([&] { open_inputs({name}); }), HasSubstr(name));
  }
}

TEST_F(InputFiles, gzip_files_one_behind_the_other_count_as_one) {
  write_archive(path("a.gz"), ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_GZIP, {{"data", "one "}});
  write_archive(path("b.gz"), ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_GZIP, {{"data", "two"}});
  put(path("c.gz"), get(path("a.gz")) + get(path("b.gz")));
  EXPECT_THAT(opened({path("c.gz")}), ElementsAre(Pair(path("c.gz/c"), "one two")));
}

/// What is told of the archive when it is opened, without its name.
std::vector<std::string> warnings_of(const std::string& name) {
  std::vector<std::string> warnings;
  open_inputs({name}, {}, &warnings);
  for (std::string& warning : warnings) {
    EXPECT_THAT(warning, StartsWith(name + ": "));
    warning.erase(0, name.size() + 2);
  }
  return warnings;
}

TEST_F(InputFiles, tars_one_after_another_count_as_one) {
  for (const auto& [name, filter] : {std::pair("a.tar", ARCHIVE_FILTER_NONE),
                                     {"a.tar.gz", ARCHIVE_FILTER_GZIP},
                                     {"a.tar.xz", ARCHIVE_FILTER_XZ}}) {
    write_archive(path(name), ARCHIVE_FORMAT_TAR_USTAR, filter, {{"one", "1"}, {"two", "2"}});
    write_archive(path("b"), ARCHIVE_FORMAT_TAR_USTAR, filter, {{"three", "3"}});
    put(path(name), get(path(name)) + get(path("b")));
    EXPECT_THAT(opened({path(name)}),
                ElementsAre(Pair(path(name) + "/one", "1"), Pair(path(name) + "/three", "3"),
                            Pair(path(name) + "/two", "2")));
    EXPECT_THAT(warnings_of(path(name)), IsEmpty());
  }
}

TEST_F(InputFiles, a_tar_without_the_mark_of_its_end_is_told) {
  const Entries entries{{"a", "1"}, {"b", noise(700)}, {"c", "3"}};
  write_archive(path("whole.tar"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, entries);
  const std::string cut = get(path("whole.tar")).substr(0, 2560);  // after b: 2 + 3 blocks
  put(path("a.tar"), cut);
  write_archive(path("a.tar.gz"), ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_GZIP, {{"data", cut}});
  for (const char* name : {"a.tar", "a.tar.gz"}) {
    EXPECT_THAT(opened({path(name)}), SizeIs(2));
    EXPECT_THAT(warnings_of(path(name)),
                ElementsAre("the mark of its end is missing; it may be cut off"));
  }
}

TEST_F(InputFiles, bytes_after_the_end_are_told) {
  const Entries entries{{"a", "1"}, {"b", noise(700)}};
  const std::string junk(700, 'x');
  for (const int i : {0, 1}) {  // the others are refused
    for (const int format : {ARCHIVE_FORMAT_RAW, ARCHIVE_FORMAT_TAR_USTAR}) {
      const std::string name = path(std::string("a.") + kCompressions[i].name);
      write_archive(name, format, kCompressions[i].filter, {entries[1]});
      const std::string whole = get(name);
      put(name, whole + std::string(300, '\0'));
      EXPECT_THAT(warnings_of(name), IsEmpty());
      put(name, whole + junk);
      EXPECT_THAT(warnings_of(name), ElementsAre("700 bytes after its end are left out")) << name;
      EXPECT_THAT(opened({name}), ElementsAre(Pair(testing::_, entries[1].second)));
    }
  }
  write_archive(path("a.tar"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE, entries);
  for (const std::size_t size : {100, 512, 700}) {
    put(path("b.tar"), get(path("a.tar")) + junk.substr(0, size));
    EXPECT_THAT(warnings_of(path("b.tar")),
                ElementsAre("what follows the mark of its end is no archive and is left out"));
    EXPECT_THAT(opened({path("b.tar")}), SizeIs(2));
  }
  write_archive(path("a.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, entries);
  EXPECT_THAT(warnings_of(path("a.zip")), IsEmpty());
  const std::string zip = get(path("a.zip"));
  put(path("a.zip"), zip + zip);
  EXPECT_THAT(warnings_of(path("a.zip")),
              ElementsAre(std::to_string(zip.size()) + " bytes before its files are left out"));
}

TEST_F(InputFiles, faults_are_named_in_words_of_our_own) {
  const auto refusal = [&](const std::string& name) {
    return message_of<UserError>([&] { open_inputs({name}); });
  };
  const std::string zip = path("a.zip"), begin = "cannot expand ";
  write_archive(zip, ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"a", "1"}, {"b", noise(9000)}});
  std::string damaged = get(zip);
  damaged[damaged.size() - 1000] ^= 1;
  put(zip, damaged);
  EXPECT_EQ(refusal(zip), begin + zip + ": b has a wrong checksum");
  for (const int i : {2, 3}) {
    const std::string name = path(std::string("a.txt.") + kCompressions[i].name);
    write_archive(name, ARCHIVE_FORMAT_RAW, kCompressions[i].filter, {{"data", noise(90'000)}});
    put(name, get(name).substr(0, 50'000));
    EXPECT_EQ(refusal(name), begin + name + ": it is damaged or cut off");
  }
  const std::string tar = path("a.tar");
  write_archive(tar, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE,
                {{"a", "1"}, {"b", noise(9000)}});
  put(tar, get(tar).substr(0, 5000));
  EXPECT_EQ(refusal(tar), begin + tar + ": b is damaged or cut off");
}

TEST_F(InputFiles, a_name_longer_than_any_file_systems_is_cut) {
  write_archive(path("a.tar"), ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE,
                {{std::string(100'000, 'n'), "1"}});
  EXPECT_THAT(opened({path("a.tar")}),
              ElementsAre(Pair(path("a.tar/") + std::string(4096, 'n'), "1")));
}

TEST_F(InputFiles, file_made_to_fill_the_disk_is_refused) {
  const std::string zeros(std::size_t{300} << 20, '\0');  // 300 MiB; some 50 KB as xz
  write_archive(path("zeros.tar.xz"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ,
                {{"small", "x"}, {"zeros", zeros}});
  EXPECT_THAT([&] { opened({path("zeros.tar.xz")}); },
              ThrowsMessage<UserError>(AllOf(HasSubstr(path("zeros.tar.xz")),
                                             HasSubstr("bytes become more than 268435456"))));
  const std::vector<PendingInput> listed = list_inputs({path("zeros.tar.xz")});
  ASSERT_THAT(listed, SizeIs(1));
  EXPECT_THROW(listed[0].open(), UserError);
}

TEST_F(InputFiles, tell_their_progress_and_can_be_stopped) {
  write_archive(path("a.gz"), ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_GZIP, {{"data", noise(300'000)}});
  std::int64_t calls = 0;
  const ReadProgress count = [&calls](std::int64_t done, std::int64_t total) {
    EXPECT_LE(done, total);
    ++calls;
  };
  open_inputs({path("a.gz")}, count);
  EXPECT_GT(calls, 8);  // after each 64 KiB of the check and of the expansion
  const std::int64_t all = calls;
  for (std::int64_t left : {std::int64_t{1}, all / 4, all - 1}) {
    const ReadProgress stop = [&left](std::int64_t, std::int64_t) {
      if (--left == 0) throw Interrupted(2);
    };
    EXPECT_THROW(open_inputs({path("a.gz")}, stop), Interrupted);
  }
  const ReadProgress stop = [](std::int64_t, std::int64_t) { throw Interrupted(2); };
  EXPECT_THROW(list_inputs({folder_.path().string()}, stop), Interrupted);
}

TEST_F(InputFiles, full_disk_is_the_worlds_error) {
  write_archive(path("a.zip"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, {{"a", noise(100'000)}});
  EXPECT_THAT(message_of<WorldError>([&] {
                const FileSizeLimit limit(50'000);
                open_inputs({path("a.zip")});
              }),
              HasSubstr("TMPDIR"));
}

}  // namespace
}  // namespace sparse_transformer
