// Names of files and folders that are hostile to a terminal, a shell or JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Names : public TinyRuns {
 protected:
  /// The program with these arguments, which must succeed.
  CommandResult run_all(const std::vector<std::string>& arguments) const {
    CommandResult result =
        run_program(arguments, {.environment = {{"OMP_NUM_THREADS", "1"}}, .folder = folder()});
    EXPECT_EQ(result.exit_code, 0) << arguments.front() << ": " << result.err;
    return result;
  }

  /// The command that a line "LABEL: COMMAND" of the text gives.
  static std::string hint(const std::string& text, const std::string& label) {
    for (const std::string& line : lines_of(text)) {
      if (line.starts_with(label + ":")) return line.substr(line.find("sparse-transformer"));
    }
    ADD_FAILURE() << "no line " << label << " in: " << text;
    return "";
  }

  /// What a shell makes of a command that the program printed.
  CommandResult paste(const std::string& command) const {
    const std::string name = "sparse-transformer";
    EXPECT_TRUE(command.starts_with(name)) << command;
    return sh("\"$PROGRAM\"" + command.substr(name.size()));
  }
};

TEST_F(Names, RunsThatAreNotUtf8AreReadByEveryCommand) {
  const std::string name = "caf\xe9\xff";
  const CommandResult trained = run_all({"train", "tiny.yaml", "--run", name});
  EXPECT_THAT(trained.err, AllOf(HasSubstr("caf\\xe9\\xff"), Not(HasSubstr("\xe9"))));
  const std::string json = run_all({"evaluate", name, "--json"}).out;
  EXPECT_THAT(Json::parse(json).at("checkpoint").get<std::string>(),
              testing::StartsWith("caf\uFFFD\uFFFD/checkpoints/step-"));
  run_all({"sample", name, "--out", "s.txt"});
  EXPECT_THAT(run_all({"curves", name, "--out", "c.png"}).out, HasSubstr("caf\\xe9\\xff"));
  run_all({"report", name, "--out", "r.html"});
  EXPECT_THAT(read("r.html"), HasSubstr("<title>caf\uFFFD\uFFFD</title>"));
  run_all({"attention", name, "--out", "a.png"});
  run_all({"inspect", name, "--json"});
  run_all({"train", "tiny.yaml", "--run", "b", "--init-from", name});
  run_all({"train", "--run", name, "--resume", "--set", "training.steps=10"});
}

// The metadata of a picture, a sound and a score hold the paths of checkpoint and prime.
TEST_F(Names, PathsThatAreNotUtf8AreReplacedInMetadata) {
  write("noise.yaml",
        "data: {source: images, path: pictures, shape: [8, 8, 1], split: {valid: 1, test: 1}}\n"
        "model: {layers: 1, width: 16, heads: 2, attention: {layers: [local]}}\n"
        "training: {steps: 1, batch: 2, sample_every: 0, device: cpu}\n");
  const std::string header = "\x89PNG\r\n\x1a\n";
  fs::create_directories(folder() / "pictures");
  train("bytes");
  // A grid of samples is a picture that we need not make by hand.
  for (const char* number : {"1", "2", "3", "4"}) {
    const std::string out = std::string("pictures/p") + number + ".png";
    run_all({"attention", "bytes", "--out", out, "--layer", "0"});
    EXPECT_TRUE(read(out).starts_with(header));
  }
  const std::string name = "caf\xe9";
  run_all({"train", "noise.yaml", "--run", name});
  run_all({"sample", name, "--out", "s.png"});
  EXPECT_THAT(read("s.png"), HasSubstr(R"("checkpoint":"caf\ufffd/checkpoints/step-00000001")"));
}

TEST_F(Names, DataThatAreNotUtf8AreTrainedOnResumedAndPacked) {
  const std::string data = "te\xffxt";
  fs::rename(folder() / "data.bin", folder() / data);
  std::string config = kTinyConfig;
  config.replace(config.find("data.bin"), 8, data);
  write("u.yaml", config);
  run_all({"train", "u.yaml", "--run", "u"});
  EXPECT_THAT(read("u/config.yaml"), AllOf(HasSubstr("path: [!!binary "), Not(HasSubstr(data))));
  run_all({"train", "u/config.yaml", "--run", "v"});
  expect_same_tensors(checkpoint_of(folder() / "u", 8), checkpoint_of(folder() / "v", 8));
  EXPECT_EQ(run_all({"config", "u"}).out, read("u/config.yaml"));
  run_all({"train", "--run", "u", "--resume", "--set", "training.steps=10"});
  run_all({"evaluate", "u"});
  run_all({"prepare", "u.yaml", "--out", "packed.safetensors"});
  run_all({"train", "u.yaml", "--run", "w", "--set", "data.source=packed", "--set",
           "data.path=packed.safetensors", "--set", "data.split={}"});
}

TEST_F(Names, ControlCharactersAreEscapedWhereverTheyAreShown) {
  fs::create_directories(folder() / "p");
  write("p/\x1b]0;owned\x07\x1b[31mred.png", "x");
  write("p/a\nerror: forged line.png", "x");
  write("images.yaml", "data: {source: images, path: p, shape: [8, 8, 3]}\n");
  expect_refused("train images.yaml --dry-run",
                 {R"(p/\x1b]0;owned\x07\x1b[31mred.png: not a pic)"});
  expect_refused(R"(train images.yaml --dry-run --set 'data.path="p/a\nerror: f.png"')",
                 {R"(p/a\nerror: f.png: there is no such file)"});
  expect_refused("sample \"$(printf 'x\\033[2J')\" --out y", {R"(x\x1b[2J: there is no such run)"});
  expect_refused("train tiny.yaml --color=\"$(printf '\\302\\2332J')\"", {R"(\u009b2J)"});
  expect_refused("\"$(printf 'tr\\033[2Jain')\"", {R"(tr\x1b[2Jain)"});
}

TEST_F(Names, AStrangersMachineIsEscaped) {
  train("a");
  const fs::path checkpoint = checkpoint_of(folder() / "a", 8);
  Json state = Json::parse(read_text(checkpoint / "state.json"));
  state["machine"]["processor"] = "\x1b]0;owned\x07\nerror: forged";
  std::ofstream(checkpoint / "state.json") << state.dump();
  Json manifest = Json::parse(read_text(checkpoint / "manifest.json"));
  manifest["sha256"]["state.json"] =
      sh("sha256sum " + (checkpoint / "state.json").string()).out.substr(0, 64);
  std::ofstream(checkpoint / "manifest.json") << manifest.dump();
  const std::string shown = R"(\x1b]0;owned\x07\nerror: forged)";
  EXPECT_THAT(run_all({"inspect", checkpoint.string()}).out,
              AllOf(HasSubstr(shown), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(run_all({"train", "--run", "a", "--resume", "--set", "training.steps=9"}).err,
              AllOf(HasSubstr("(processor: " + shown), Not(HasSubstr("\x1b"))));
}

class HintedRuns : public Names, public testing::WithParamInterface<std::string> {};

TEST_P(HintedRuns, CommandsThatAreHintedCanBePasted) {
  const std::string& name = GetParam();
  const CommandResult trained = run_all({"train", "tiny.yaml", "--run=" + name});
  EXPECT_EQ(paste(hint(trained.err, "evaluate")).exit_code, 0) << trained.err;
  EXPECT_EQ(paste(hint(trained.err, "sample")).exit_code, 0) << trained.err;
  EXPECT_TRUE(exists("samples-16.txt"));
  const CommandResult finished = paste(hint(trained.err, "resume"));
  EXPECT_EQ(finished.exit_code, 0);
  const std::string extend = finished.err.substr(finished.err.find("sparse-transformer"));
  EXPECT_EQ(paste(extend).exit_code, 0) << extend;
  const CommandResult taken =
      run_program({"train", "tiny.yaml", "--run=" + name}, {.environment = {}, .folder = folder()});
  EXPECT_EQ(taken.exit_code, 2);
  const std::size_t begin = taken.err.find("`sparse-transformer") + 1;
  EXPECT_EQ(paste(taken.err.substr(begin, taken.err.rfind('`') - begin)).exit_code, 0) << taken.err;
}

INSTANTIATE_TEST_SUITE_P(Names, HintedRuns,
                         testing::Values("my runs/first", "it's \"$HOME\" `id`", "-x", "a\nb",
                                         "caf\xe9 %s\\n", "~;#&|*"),
                         [](const auto& test) { return "name" + std::to_string(test.index); });

TEST_F(Names, APackedFileIsHintedWithItsSettings) {
  const CommandResult packed = run_all({"prepare", "tiny.yaml", "--out", "1 'pack'"});
  const std::string hint = packed.err.substr(packed.err.find("--set"));
  const CommandResult trained =
      run("train tiny.yaml --run a --set data.split={} " + hint.substr(0, hint.find('\n')));
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
}

TEST_F(Names, AnOptionThatIsASettingIsHintedWithItsValue) {
  expect_refused("train tiny.yaml --title 'a b'", {"unknown option --title"});
  expect_refused("train tiny.yaml --path 'my data'", {"--set 'data.path=my data'"});
  expect_refused("train tiny.yaml --steps -3", {"--set training.steps=-3"});
}

}  // namespace
}  // namespace sparse_transformer
