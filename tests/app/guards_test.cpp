// What protects the user's files in one command protects them in all: guards x commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Guards : public TinyRuns {
 protected:
  Guards() { train("a", "--set training.steps=4 --set training.sample_every=0"); }

  /// Every command that writes a file, without its --out, and an ending that it takes.
  struct Writer {
    std::string command, ending;
  };
  const std::vector<Writer> writers_ = {{"sample a", ".txt"},
                                        {"attention a", ".png"},
                                        {"report a", ".html"},
                                        {"curves a", ".png"},
                                        {"pattern a", ".png"},
                                        {"pattern tiny.yaml", ".png"},
                                        {"prepare tiny.yaml", ".safetensors"}};

  /// The name of run a's file for TensorBoard.
  std::string events() const {
    for (const auto& entry : fs::directory_iterator(folder() / "a")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("events.")) return "a/" + name;
    }
    throw std::runtime_error("no events");
  }
};

TEST_F(Guards, AnEmptyNameIsRefused) {
  for (const auto& [command, ending] : writers_) {
    expect_refused(command + " --out ''", {"--out: got '', expected a file's name"});
  }
  for (const char* line : {"sample '' --out x.txt", "attention '' --out x.png",
                           "report '' --out x.html", "curves '' --out x.png", "evaluate ''"}) {
    expect_refused(line, {"'': "});
  }
}

TEST_F(Guards, AnOutputReplacesAFileOnlyWhenTold) {
  for (const auto& [command, ending] : writers_) {
    const std::string out = write("mine" + ending, "mine");
    expect_refused(command + " --out " + out, {"exists already"});
    EXPECT_EQ(read(out), "mine") << command;
    EXPECT_EQ(run(command + " --overwrite --out " + out).exit_code, 0) << command;
    EXPECT_NE(read(out), "mine") << command;
  }
}

TEST_F(Guards, WhatAKilledCommandLeftBesideTheOutputIsRemoved) {
  const std::string left = ".tmp-sparse-transformer-0-999999999";
  const std::string not_ours = ".tmp-notes-999999999";
  for (const std::string line :
       {"sample a --out s.bin", "report a --out r.html", "curves a --out c.png",
        "pattern tiny.yaml --out p.png", "prepare tiny.yaml --out p.safetensors"}) {
    write(left, "half");
    write(not_ours, "kept");
    EXPECT_EQ(run(line).exit_code, 0) << line;
    EXPECT_FALSE(exists(left)) << line;
    EXPECT_TRUE(exists(not_ours)) << line;
  }
}

TEST_F(Guards, AnOutputIsARegularFileInAFolderThatIsThere) {
  for (const auto& [command, ending] : writers_) {
    fs::create_directories(folder() / ("folder" + ending));
    ::mkfifo((folder() / ("pipe" + ending)).c_str(), 0600);
    const std::string line = command + " --overwrite --out ";
    expect_refused(line + "folder" + ending, {"is a folder"});
    expect_refused(line + "pipe" + ending, {"is not a regular file"});
    expect_refused(line + "none/x" + ending, {"none"});
  }
}

TEST_F(Guards, AnOutputIsNoInput) {
  fs::create_symlink("a/log.txt", folder() / "link.txt");
  fs::create_symlink("a/checkpoints", folder() / "link");
  write("prime.txt", "the ");
  write("prime-1.txt", "the ");
  write("derived.yaml", "base: tiny.yaml\n");
  write("layout.png", "1\n");
  write("layout.yaml",
        "base: tiny.yaml\n"
        "model: {attention: {define: {all: {layout: {path: layout.png, block: 32}}}, "
        "layers: [all]}}\n");
  ASSERT_EQ(sh("mkdir d e").exit_code, 0);
  for (const char* file : {"d/0.png", "d/1.png", "e/0.png", "e/1.png"}) {
    ASSERT_EQ(run("pattern tiny.yaml --out " + std::string(file)).exit_code, 0);
  }
  write("pictures.yaml",
        "base: tiny.yaml\n"
        "data: {source: images, path: d, shape: [4, 8, 1], sequence: null, "
        "split: {valid: 0, test: 0}, images: {fit: stretch}}\n");
  const CommandResult pictures = run("train pictures.yaml --run pictures");
  ASSERT_EQ(pictures.exit_code, 0) << pictures.err;
  const std::vector<std::string> lines = {
      "sample a --prime prime.txt --out prime.txt",
      "sample a --prime prime-1.txt --count 2 --out prime.txt",
      "sample a --out a/config.yaml",
      "sample a --out a/metrics.jsonl",
      "sample a --out link.txt",
      "sample a/checkpoints/latest --out a/checkpoints/latest/model.safetensors",
      "sample a/checkpoints/latest --out a/config.yaml",
      "attention a --out a/checkpoints/latest/x.png",
      "attention a --prime prime.txt --out link/x.png",
      "report a --out a/metrics.jsonl",
      "report a --out a/config.yaml",
      "report a --out a/checkpoints/latest/state.json",
      "curves a --out a/checkpoints/x.png",
      "pattern a --out link/x.png",
      "sample a --out data.bin",
      "sample a/checkpoints/latest/model.safetensors --out data.bin",
      "sample a --out a/lock",
      "sample a --out a/samples/training.txt",
      "report a --out data.bin",
      "report a --out " + events(),
      "curves pictures --out d/0.png",
      "attention pictures --out d/new.png",
      "attention pictures --set data.path=e --out e/0.png",
      "report pictures --out d/page.html",
      "sample pictures --out d/new.png",
      "pattern pictures --out d/new.png",
      "pattern pictures.yaml --out d/new.png",
      "pattern layout.yaml --out layout.png",
      "prepare layout.yaml --out layout.png",
      "prepare derived.yaml --out tiny.yaml",
      "prepare tiny.yaml --out data.bin",
      "prepare tiny.yaml --out tiny.yaml"};
  const auto before = contents_of(folder());
  for (const std::string& line : lines) {
    expect_refused(line + " --overwrite", {"is among what is read"});
  }
  EXPECT_EQ(contents_of(folder()), before);
}

// Looking for what the output must not replace reads no pipe a second time.
TEST_F(Guards, AConfigFromAPipeIsReadOnce) {
  const CommandResult result =
      sh("mkfifo pipe; cat tiny.yaml >pipe & timeout 20 \"$PROGRAM\" pattern pipe --out p.png");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(exists("p.png"));
}

TEST_F(Guards, ARunAndItsDataAreApart) {
  ASSERT_EQ(sh("mkdir d e; cp data.bin d; cp data.bin e; ln -s d link").exit_code, 0);
  const std::vector<std::string> lines = {"--run d/new --set data.path=d",
                                          "--run d --set data.path=d",
                                          "--run link/new --set data.path=d",
                                          "--run d/new --set data.path=link",
                                          "--run d --set data.path=d/data.bin",
                                          "--run d/new/run --set data.split.test=d",
                                          "--run d/new --set data.path=[e,d]",
                                          "--set data.path=.",  // runs/tiny-…
                                          "--run d/new --set data.path=d --resume"};
  const auto before = contents_of(folder());
  for (const std::string& line : lines) {
    expect_refused("train tiny.yaml " + line, {"one within the other"});
    expect_refused("train tiny.yaml --dry-run " + line, {"one within the other"});
  }
  expect_refused("train tiny.yaml --init-from a --run d/new --set data.path=d",
                 {"one within the other"});
  EXPECT_EQ(contents_of(folder()), before);
  ASSERT_EQ(sh("cp data.bin a").exit_code, 0);
  expect_refused("train --run a --resume --set training.steps=5 --set data.path=a/data.bin",
                 {"one within the other"});
  train("d2", "--set data.path=d --set training.steps=1");  // its name only begins like the data's
}

TEST_F(Guards, ALogOrFiguresThatAreNoFileAreRefused) {
  ASSERT_EQ(sh("rm a/log.txt && mkfifo a/log.txt").exit_code, 0);
  const std::string resume = "train --run a --resume --set training.steps=5";
  expect_refused(resume, {"log.txt is not a regular"});
  ASSERT_EQ(sh("rm a/log.txt a/metrics.jsonl && mkfifo a/metrics.jsonl").exit_code, 0);
  expect_refused(resume, {"metrics.jsonl is not a regular"});
}

// The largest size of files stands for a full disk; it holds for what the test keeps of stderr too.
TEST_F(Guards, ADiskThatTakesNothingIsNamed) {
  for (const auto& [command, ending] : writers_) {
    const CommandResult result = sh("(ulimit -f 0; \"$PROGRAM\" " + command + " --out x" + ending +
                                    " 2>&1 >/dev/null; echo code $?) | cat");
    EXPECT_THAT(result.out, HasSubstr("error: cannot write ")) << command;
    EXPECT_THAT(lines_of(result.out).back(), "code 1") << command;
    EXPECT_FALSE(exists("x" + ending)) << command;
  }
}

TEST_F(Guards, AResultThatCannotBePrintedIsAFailure) {
  for (const std::string command :
       {"evaluate a", "inspect a", "config a", "pattern a",
        "benchmark a --parts attention --steps 1", "curves a --out c.png",
        "attention a --out w.png", "sample a --out -", "prepare tiny.yaml --out p",
        "train tiny.yaml --run new --dry-run", "--version", "--help"}) {
    const CommandResult result = run(command + " >/dev/full");
    EXPECT_EQ(result.exit_code, 1) << command << result.err;
    EXPECT_THAT(lines_of(result.err).back(), StartsWith("error: standard output: cannot write"))
        << command;
  }
}

}  // namespace
}  // namespace sparse_transformer
