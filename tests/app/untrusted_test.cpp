// What a stranger hands over, and sizes that cannot be: every command refuses them in one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "files/sha256.h"
#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

class Untrusted : public TinyRuns {
 protected:
  /// Makes the manifest of a checkpoint that of its files as they are now.
  static void seal(const fs::path& checkpoint) {
    const fs::path manifest = checkpoint / "manifest.json";
    Json json = Json::parse(read_text(manifest));
    for (auto& [name, hash] : json["sha256"].items()) hash = sha256_of_file(checkpoint / name);
    std::ofstream(manifest) << json;
  }

  /// Replaces one value of a checkpoint's state.
  static void set_state(const fs::path& checkpoint, const std::string& pointer, const Json& value) {
    const fs::path state = checkpoint / "state.json";
    Json json = Json::parse(read_text(state));
    json[Json::json_pointer(pointer)] = value;
    std::ofstream(state) << json.dump(2);
    seal(checkpoint);
  }

  /// Makes the first number of every tensor of a file not a number.
  static void spoil_weights(const fs::path& file) {
    std::string bytes = read_text(file);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof(header));
    const Json json = Json::parse(bytes.substr(8, header));
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const auto& [name, tensor] : json.items()) {
      if (name == "__metadata__") continue;
      const auto begin = tensor["data_offsets"][0].get<std::uint64_t>();
      std::memcpy(bytes.data() + 8 + header + begin, &nan, sizeof(nan));
    }
    std::ofstream(file, std::ios::binary) << bytes;
  }
};

TEST_F(Untrusted, AnImpossibleStateIsRefusedByEveryCommand) {
  train("a");
  const fs::path checkpoint = checkpoint_of(folder() / "a", 8);
  const std::string named = "a/checkpoints/step-00000008";
  const std::vector<std::string> commands = {
      "train --run a --resume --set training.steps=20",
      "train tiny.yaml --run b --init-from " + named,
      "evaluate " + named,
      "sample " + named + " --out s.txt",
      "attention " + named + " --out a.png",
      "inspect " + named,
      "report a --out r.html",
  };
  const std::string whole = read_text(checkpoint / "state.json");
  const auto refused = [&](const std::string& pointer, const Json& value, const std::string& says) {
    set_state(checkpoint, pointer, value);
    for (const std::string& command : commands) {
      expect_refused(command, {"step-00000008/state.json:", says});
    }
    std::ofstream(checkpoint / "state.json") << whole;
  };
  refused("/step", -1, "step: got -1, expected a whole number from 0 to");
  refused("/format/kind", "picture", "format.shape: got [], expected [height, width, channels]");
  refused("/format/voices", 4, "format.voices: got 4, expected 0 for data of this kind");
  refused("/evaluated", 9, "evaluated: got 9, expected at most the 8 of step");
  EXPECT_FALSE(exists("b"));
}

TEST_F(Untrusted, AStateThatDoesNotFitItsConfigIsRefused) {
  train("a");
  const fs::path checkpoint = checkpoint_of(folder() / "a", 8);
  const std::string sample = "sample a/checkpoints/step-00000008 --overwrite --out s";
  const auto format = [](const char* kind, const Json& more) {
    Json json = {{"kind", kind},
                 {"shape", Json::array()},
                 {"sample_rate", 0},
                 {"voices", 0},
                 {"steps_per_beat", 0}};
    json.update(more);
    return json;
  };
  set_state(checkpoint, "/format", format("picture", {{"shape", {4, 4, 1}}}));
  expect_refused(sample + ".png", {"format.kind: got picture, expected bytes as in the settings"});
  set_state(checkpoint, "/format", format("score", {{"voices", 4}, {"steps_per_beat", 4}}));
  expect_refused(sample + ".mid", {"format.kind: got score, expected bytes as in the settings"});
  set_state(checkpoint, "/format", format("sound", {{"sample_rate", 8000}}));
  expect_refused(sample + ".wav", {"format.kind: got sound, expected bytes as in the settings"});
  set_state(checkpoint, "/format", format("bytes", Json::object()));
  EXPECT_EQ(run(sample + ".txt").exit_code, 0);
}

TEST_F(Untrusted, AConfigThatClaimsALargerModelThanItsWeightsAllocatesNothing) {
  train("a");
  const fs::path checkpoint = checkpoint_of(folder() / "a", 8);
  std::string config = read_text(checkpoint / "config.yaml");
  config.replace(config.find("width: 16"), 9, "width: 65536");
  std::ofstream(checkpoint / "config.yaml") << config;
  seal(checkpoint);
  expect_refused("sample a/checkpoints/step-00000008 --out s.txt",
                 {"embedding.token.weight has the shape [256, 16], the model's is [256, 65536]"});
}

TEST_F(Untrusted, APipeInPlaceOfAFileOfARunIsRefused) {
  train("a");
  const fs::path checkpoint = checkpoint_of(folder() / "a", 8);
  for (const char* name : {"manifest.json", "state.json", "config.yaml"}) {
    fs::rename(checkpoint / name, folder() / "kept");
    ASSERT_EQ(::mkfifo((checkpoint / name).c_str(), 0600), 0);
    for (const char* command : {"evaluate a", "sample a --out s.txt", "train --run a --resume"}) {
      expect_refused(command, {name, "is not a regular file"});
    }
    fs::remove(checkpoint / name);
    fs::rename(folder() / "kept", checkpoint / name);
  }
  fs::remove(folder() / "a/metrics.jsonl");
  ASSERT_EQ(::mkfifo((folder() / "a/metrics.jsonl").c_str(), 0600), 0);
  for (const char* command : {"curves a --out c.png", "report a --out r.html"}) {
    expect_refused(command, {"metrics.jsonl is not a regular file"});
  }
}

TEST_F(Untrusted, MetricsThatCannotBeAreRefused) {
  train("a");
  for (const char* line : {R"({"step": -1, "train_bits": 1})", R"({"step": 1e300})",
                           R"({"step": 18446744073709551615})", R"({"step": "1"})",
                           R"({"step": 2, "train_bits": 1e999})"}) {
    write("a/metrics.jsonl", std::string(line) + "\n");
    expect_refused("curves a --out c.png", {"metrics.jsonl:1: expected an object with \"step\""});
  }
  expect_refused("report a --out r.html", {"metrics.jsonl:1: expected an object with \"step\""});
}

TEST_F(Untrusted, WeightsThatAreNotFinite) {
  train("a");
  const fs::path checkpoint = checkpoint_of(folder() / "a", 8);
  for (const char* name : {"model.safetensors", "average.safetensors"}) {
    spoil_weights(checkpoint / name);
  }
  seal(checkpoint);
  const std::string named = "a/checkpoints/step-00000008";
  expect_refused("attention " + named + " --out a.png",
                 {"step-00000008: tensor embedding.token.weight is not finite", "diverged"}, 1);
  expect_refused("evaluate " + named, {"not finite: these weights have diverged"}, 1);
  expect_refused("sample " + named + " --out s.txt", {"not finite"}, 1);
  EXPECT_EQ(run("inspect " + named).exit_code, 0);
}

TEST_F(Untrusted, SizesThatCannotBeAreRefused) {
  const std::vector<std::string> commands = {
      "train tiny.yaml --run b",  "train tiny.yaml --dry-run", "inspect tiny.yaml",
      "pattern tiny.yaml",        "benchmark tiny.yaml",       "config tiny.yaml",
      "prepare tiny.yaml --out p"};
  const auto refused = [&](const std::string& setting, const std::string& says) {
    for (const std::string& command : commands) {
      expect_refused(command + " --set " + setting, {says});
    }
  };
  refused("model.layers=1000000000", "got 1000000000, expected a whole number from 1 to 10000");
  refused("data.sequence=9223372036854775807", "expected a whole number from 1 to 16777216");
  const std::string config = "config tiny.yaml --set ";
  for (const char* setting :
       {"model.width=1e12", "model.heads=2147483648", "model.qk_ratio=1e9",
        "model.feedforward_ratio=1e300", "training.batch=1e12", "training.micro_batch=1e12",
        "training.steps=-9223372036854775808", "training.epochs=1e15", "training.sample_count=1e9",
        "training.warmup=1e18", "training.log_every=1e18", "training.keep=1e18",
        "data.midi.voices=1099511627776", "data.audio.sample_rate=1e12",
        "data.generated.items=1e15", "model.attention.stride=1e18", "model.attention.summary=1e18",
        "model.attention.summary_blocks=1e18"}) {
    expect_refused(config + setting, {"expected a"});
  }
  expect_refused(config + "data.shape=[65536,65536,3] --set data.sequence=null",
                 {"12884901888 tokens, expected a sequence of at most"});
  expect_refused(config + "data.sequence=16777216 --set training.batch=1000000 " +
                     "--set training.micro_batch=1",
                 {"training.batch: 1000000 sequences of 16777216 tokens are too many"});
}

TEST_F(Untrusted, WhatThisMachineHasNoMemoryForIsRefused) {
  const std::string large = " --set model.layers=10000 --set model.width=65536";
  expect_refused("train tiny.yaml --run b" + large, {"a training step takes ", "PiB of memory"});
  expect_refused("benchmark tiny.yaml" + large, {"a training step takes ", "PiB of memory"});
  EXPECT_FALSE(exists("b"));
  expect_refused("inspect tiny.yaml" + large +
                     " --set data.sequence=16777216 --set training.batch=4096 "
                     "--set training.micro_batch=4096 --set model.feedforward_ratio=64",
                 {"more than 8 EiB of memory"});
  expect_refused(
      "train tiny.yaml --run b --set training.steps=null "
      "--set training.epochs=1000000000000",
      {"training.epochs: 1000000000000 passes over"});
}

TEST_F(Untrusted, OptionsThatCannotBeAreRefused) {
  train("a");
  for (const char* option :
       {"--count 1000000000", "--batch 9223372036854775807", "--length 9223372036854775807",
        "--length -9223372036854775808", "--count -9223372036854775808"}) {
    expect_refused("sample a --out s.txt " + std::string(option), {" is not between "});
  }
  for (const char* option : {"--steps", "--batch", "--rounds", "--seconds"}) {
    expect_refused("benchmark tiny.yaml " + std::string(option) + " 9223372036854775807",
                   {"expected a whole number from 1 to 1000000"});
  }
}

TEST_F(Untrusted, AConfigMayComeFromAPipe) {
  for (const char* line : {"cat tiny.yaml | \"$PROGRAM\" train /dev/stdin --run a",
                           "\"$PROGRAM\" train /dev/stdin --run b < tiny.yaml",
                           "mkfifo sub/p; (cat tiny.yaml > sub/p &) ; "
                           "\"$PROGRAM\" train sub/p --run c"}) {
    fs::create_directories(folder() / "sub");
    const CommandResult result = sh(line);
    EXPECT_EQ(result.exit_code, 0) << line << ": " << result.err;
  }
  EXPECT_EQ(read("a/config.yaml"), read("b/config.yaml"));
  EXPECT_EQ(read("a/config.yaml"), read("c/config.yaml"));
}

}  // namespace
}  // namespace sparse_transformer
