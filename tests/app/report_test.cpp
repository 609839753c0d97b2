#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Report : public TinyRuns {};

TEST_F(Report, ShowsCurvesSamplesAttentionSettingsAndMachine) {
  train("a");
  const CommandResult result = run("report a --out a.html");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("wrote a.html"));
  const std::string page = read("a.html");
  EXPECT_THAT(page, StartsWith("<!DOCTYPE html>"));
  for (const char* title : {"Bits a byte", "Learning rate", "Gradient norm", "Tokens a second"}) {
    EXPECT_THAT(page, HasSubstr(std::string("aria-label=\"") + title + "\"")) << title;
  }
  EXPECT_THAT(page, Not(HasSubstr("Loss scale")));
  EXPECT_THAT(page, HasSubstr("<b>8</b><span>steps of 8</span>"));
  EXPECT_THAT(page, HasSubstr("<figcaption>step 4</figcaption>"));
  EXPECT_THAT(page, HasSubstr("<figcaption>step 8</figcaption>"));
  EXPECT_THAT(page, HasSubstr("for comparison: training data"));
  EXPECT_THAT(page, HasSubstr("src=\"data:image/png;base64,iVBOR"));
  EXPECT_THAT(page, HasSubstr("learning_rate: 0.003"));
  EXPECT_THAT(page, HasSubstr("<th>processor</th>"));
  for (const char* address : {"http:", "https:", "src=\"/", "<script", "<link"}) {
    EXPECT_THAT(page, Not(HasSubstr(address))) << "all is in the one file";
  }
}

TEST_F(Report, PlaysSoundAndShowsPictures) {
  write(
      "tunes.yaml",
      "base: tiny.yaml\ndata: {source: generated, path: [], sequence: 512, split: {valid: 2, test: "
      "2},\n  generated: {kind: tunes, items: 20}}\n");
  const std::string few =
      " --set training.steps=2 --set training.sample_every=2"
      " --set training.evaluate_every=0";
  ASSERT_EQ(run("train tunes.yaml --run tunes" + few).exit_code, 0);
  ASSERT_EQ(run("report tunes --out tunes.html").exit_code, 0);
  EXPECT_THAT(read("tunes.html"), HasSubstr("<img alt=\"\" src=\"data:image/png;base64,iVBOR"));
  EXPECT_THAT(read("tunes.html"), HasSubstr("<audio controls src=\"data:audio/wav;base64,UklGR"));
  ASSERT_EQ(run("train tiny.yaml --run pictures --set data.source=generated --set data.path=[]"
                " --set data.sequence=null --set data.split.valid=2 --set data.split.test=2"
                " --set data.shape=[8,8,1] --set data.generated.items=20" +
                few)
                .exit_code,
            0);
  ASSERT_EQ(run("report pictures --out pictures.html").exit_code, 0);
  EXPECT_THAT(read("pictures.html"), HasSubstr("<img alt=\"\" src=\"data:image/png;base64,iVBOR"));
}

TEST_F(Report, WorksWhileTheRunHasNoFiguresYet) {
  train("a");
  fs::remove(folder() / "a/metrics.jsonl");
  fs::remove_all(folder() / "a/checkpoints");
  fs::remove_all(folder() / "a/samples");
  ASSERT_EQ(run("report a --out a.html").exit_code, 0);
  EXPECT_THAT(read("a.html"), Not(HasSubstr("<h2>Learning</h2>")));
  EXPECT_THAT(read("a.html"), HasSubstr("<h2>Settings</h2>"));
}

TEST_F(Report, ARunsNameAndTextAreNoMarkup) {
  train("'<i>a'");
  write("<i>a/samples/step-00000009.txt", "</pre><script>alert(1)</script>\x80");
  ASSERT_EQ(run("report '<i>a' --out a.html").exit_code, 0);
  EXPECT_THAT(read("a.html"), Not(HasSubstr("<script>")));
  EXPECT_THAT(read("a.html"), Not(HasSubstr("<i>a")));
  EXPECT_THAT(read("a.html"), HasSubstr("&lt;/pre&gt;&lt;script&gt;"));
}

TEST_F(Report, MistakesAreNamed) {
  train("a");
  write("there.html", "mine");
  expect_refused("report a --out there.html", {"there.html exists already", "--overwrite"});
  expect_refused("report a --out none/a.html", {"none: there is no such folder"});
  expect_refused("report none --out b.html", {"none: no run"});
  expect_refused("report a/samples --out b.html", {"no run: it has no config.yaml"});
  EXPECT_EQ(read("there.html"), "mine");
  EXPECT_EQ(run("report a --out there.html --overwrite").exit_code, 0);
}

}  // namespace
}  // namespace sparse_transformer
