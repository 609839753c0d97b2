#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class Prepare : public TinyRuns {};

TEST_F(Prepare, APackedFileTrainsTheSameModel) {
  const CommandResult result = run("prepare tiny.yaml --out packed.safetensors");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, MatchesRegex("split +items +tokens +items that training has too\n"
                                       "train +1 +2,599 +-\n"
                                       "valid +1 +200 +0\n"
                                       "test +1 +201 +0\n"
                                       "Entropy of single training tokens: [0-9.]+ bits.\n"));
  EXPECT_THAT(result.err, HasSubstr("wrote packed.safetensors"));
  const std::string packed =
      " --set data.source=packed --set data.path=packed.safetensors --set data.split={}";
  train("in-place");
  train("packed", packed);
  for (const char* file : {"model.safetensors", "average.safetensors", "optimizer.safetensors"}) {
    EXPECT_TRUE(tensor_bytes(checkpoint_of(folder() / "packed", 8) / file) ==
                tensor_bytes(checkpoint_of(folder() / "in-place", 8) / file))
        << file;
  }
  const CommandResult in_place = run("evaluate in-place");
  EXPECT_EQ(in_place.exit_code, 0) << in_place.err;
  EXPECT_EQ(run("evaluate packed").out, in_place.out);
  EXPECT_EQ(run("evaluate in-place" + packed).out, in_place.out);
}

TEST_F(Prepare, OverwritesOnlyWhenTold) {
  write("x.safetensors", "mine");
  expect_refused("prepare tiny.yaml --out x.safetensors", {"x.safetensors exists already"});
  EXPECT_EQ(read("x.safetensors"), "mine");
  EXPECT_EQ(run("prepare tiny.yaml --out x.safetensors --overwrite").exit_code, 0);
  EXPECT_NE(read("x.safetensors"), "mine");
}

TEST_F(Prepare, NeverPacksOverItsOwnInput) {
  write("books/one.txt", std::string(3000, 'x'));
  std::filesystem::create_symlink("data.bin", folder() / "link.bin");
  const auto before = contents_of(folder());
  const std::string among = " is among what is read";
  expect_refused("prepare tiny.yaml --overwrite --out data.bin", {"data.bin" + among});
  expect_refused("prepare tiny.yaml --overwrite --out ./link.bin", {"link.bin" + among});
  expect_refused("prepare tiny.yaml --overwrite --set data.path=books --out books/one.txt",
                 {"books/one.txt" + among});
  expect_refused("prepare tiny.yaml --overwrite --out tiny.yaml", {"tiny.yaml" + among});
  expect_refused("prepare tiny.yaml --set data.path=books --out books/new", {"books/new" + among});
  expect_refused("prepare tiny.yaml --overwrite --set data.split.test=books --out books/one.txt",
                 {"books/one.txt" + among});
  EXPECT_EQ(contents_of(folder()), before);
}

TEST_F(Prepare, RefusesWhatItCannotRead) {
  expect_refused("prepare --out x", {"no CONFIG"});
  expect_refused("prepare tiny.yaml", {"--out"});
  expect_refused("prepare tiny.yaml --out x --set data.path=none", {"none"});
  expect_refused("prepare tiny.yaml --out none/x", {"none: there is no such folder"});
  EXPECT_FALSE(exists("x"));
}

}  // namespace
}  // namespace sparse_transformer
