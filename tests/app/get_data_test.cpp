// scripts/get-data.sh, against a server on this machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/app/local_server.h"
#include "tests/app/program.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kMaestro = "maestro-v3.0.0-midi.zip";

class GetData : public testing::Test {
 protected:
  /// A ZIP with the file "batch", which holds "pictures".
  std::string zip_of_one_file() const {
    folder_.write_text("batch", "pictures");
    run_shell("python3 -m zipfile -c one.zip batch", {.environment = {}, .folder = folder_.path()});
    return read_text(path("one.zip"));
  }

  CommandResult get(const std::string& words) const {
    return run_shell(SPARSE_TRANSFORMER_SCRIPTS "/get-data.sh " + words,
                     {.environment = {{"SPARSE_TRANSFORMER_DATA_ADDRESS", server_.address()}},
                      .folder = folder_.path()});
  }
  fs::path path(const std::string& name) const { return folder_.path() / name; }

  TemporaryFolder folder_;
  std::string content_ = std::string(100'000, 'a') + std::string(100'000, 'b');
  LocalServer server_{{{kMaestro, content_},
                       {"enwik8.zip", "not enwik8"},
                       {"Imagenet32_train_npz.zip", zip_of_one_file()},
                       {"Imagenet32_val_npz.zip", zip_of_one_file()}}};
};

TEST_F(GetData, DownloadsOnceAndSaysTheSizeFirst) {
  const CommandResult first = get("maestro here");
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("maestro-v3.0.0-midi.zip: 59MB from " + server_.address()));
  EXPECT_THAT(first.err, HasSubstr("nobody publishes a checksum of it"));
  EXPECT_EQ(read_text(path("here") / kMaestro), content_);
  const CommandResult again = get("maestro here");
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("is there already"));
  EXPECT_THAT(server_.requests(), ElementsAre(std::string("/") + kMaestro));
}

TEST_F(GetData, GoesOnWhereADownloadStopped) {
  folder_.write_text(std::string(kMaestro) + ".part", content_.substr(0, 150'000));
  const CommandResult result = get("maestro .");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(read_text(path(kMaestro)), content_);
  EXPECT_FALSE(fs::exists(path(std::string(kMaestro) + ".part")));
  EXPECT_THAT(server_.requests(), ElementsAre(std::string("/") + kMaestro + " from 150000"));
}

TEST_F(GetData, AWrongFileIsKeptUnderAnotherName) {
  const CommandResult result = get("enwik8 .");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("not the file that was expected"));
  EXPECT_FALSE(fs::exists(path("enwik8.zip")));
  EXPECT_EQ(read_text(path("enwik8.zip.wrong")), "not enwik8");
}

TEST_F(GetData, NeverTouchesAFileOfTheUsers) {
  folder_.write_text("enwik8.zip", "mine");
  const CommandResult result = get("enwik8 .");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("move it away"));
  EXPECT_EQ(read_text(path("enwik8.zip")), "mine");
  EXPECT_THAT(server_.requests(), IsEmpty());
}

// The paper's pictures, which their publisher has withdrawn.
TEST_F(GetData, SaysWhereThePicturesOfPixelRnnAre) {
  const CommandResult missing = get("imagenet64 .");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("train_64x64.tar: 13GB from " + server_.address()));
  EXPECT_THAT(missing.err, HasSubstr("torrent 96816a530ee002254d29bf7a61c0c158d3dedc3b"));
  EXPECT_THAT(get("imagenet32 .").err,
              HasSubstr("torrent bf62f5051ef878b9c357e6221e879629a9b4b172"));
  folder_.write_text("train_64x64.tar", "other pictures");
  const CommandResult wrong = get("imagenet64 .");
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.err, HasSubstr("train_64x64.tar is there, but is not the file"));
  EXPECT_EQ(read_text(path("train_64x64.tar")), "other pictures");
}

TEST_F(GetData, UnpacksArchivesOfArchives) {
  const CommandResult result = get("imagenet32-npz here");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(read_text(path("here/imagenet32-npz/train/batch")), "pictures");
  EXPECT_EQ(read_text(path("here/imagenet32-npz/val/batch")), "pictures");
}

TEST_F(GetData, FailuresAndMistakesAreNamed) {
  const CommandResult missing = get("text8 .");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("text8.zip: not downloaded"));
  const CommandResult unknown = get("mnist .");
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("mnist: unknown data set; expected enwik8"));
  EXPECT_EQ(get("").exit_code, 2);
  EXPECT_THAT(get("--help").out, HasSubstr("Usage: scripts/get-data.sh NAME"));
}

}  // namespace
}  // namespace sparse_transformer
