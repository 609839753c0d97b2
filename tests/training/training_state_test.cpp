// state.json comes from whoever made the checkpoint: what it says is checked as settings are.
#include "training/training_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/errors.h"

namespace sparse_transformer {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TrainingProgress example() {
  TrainingProgress progress;
  progress.step = 12;
  progress.evaluated = 12;
  progress.sampled = 8;
  progress.best_bits = 2.25;
  progress.best_step = 6;
  progress.skipped_steps = 3;
  progress.skipped_in_a_row = 1;
  progress.loss_scale = 65536.0;
  progress.passed_over = 4;
  progress.rollbacks = 1;
  progress.watch.loss = {.mean = 1.5, .variance = 0.1, .count = 9};
  progress.watch.gradient_norm = {.mean = 0.3, .variance = 1e-30, .count = 9};
  progress.machine = {{"processor", "a \"quoted\" one: ä\U0001F600\\ # {"}, {"threads", "2"}};
  progress.kernels = {{"[local, column]", KernelKind::kOwn}, {kFeedforward, KernelKind::kCublas}};
  progress.data_hash = std::string(64, 'a');
  progress.format = {.kind = TokenFormat::Kind::kPicture, .shape = {4, 4, 3}};
  return progress;
}

/// The error of the example's text with one value replaced; `pointer` as in "/format/voices".
std::string error_with(const std::string& pointer, const Json& value) {
  Json json = Json::parse(state_text(example()));
  json[Json::json_pointer(pointer)] = value;
  try {
    parse_state(json.dump(2), "state.json");
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(TrainingState, IsReadAsItWasWritten) {
  const std::string text = state_text(example());
  EXPECT_EQ(state_text(parse_state(text, "x")), text);
  const std::string one_line = Json::parse(text).dump();
  EXPECT_EQ(state_text(parse_state(one_line, "x")), text);
  EXPECT_EQ(state_text(parse_state(state_text({}), "x")), state_text({}));
}

TEST(TrainingState, OlderProgramsNamedTheKernelsAttention) {
  Json json = Json::parse(state_text(example()));
  json["attention"] = json["kernels"];
  json.erase("kernels");
  EXPECT_EQ(parse_state(json.dump(), "x").kernels, example().kernels);
}

TEST(TrainingState, NamesLineFieldValueAndWhatWouldBeRight) {
  EXPECT_EQ(error_with("/step", -1),
            "state.json:2: step: got -1, expected a whole number from 0 to 1000000000000");
  EXPECT_THAT(error_with("/format/sample_rate", -4),
              HasSubstr(": format.sample_rate: got -4, expected a whole number from 0 to 192000"));
  EXPECT_THAT(error_with("/stop", 1), HasSubstr("stop: unknown setting (did you mean 'step'?)"));
  EXPECT_THAT(error_with("/format", Json::array()),
              HasSubstr("format: got [], expected a section"));
}

TEST(TrainingState, ValuesOutOfRange) {
  const double huge = 1e300;
  for (const auto& [pointer, value] : std::vector<std::pair<std::string, Json>>{
           {"/step", 1.5},
           {"/step", "12"},
           {"/step", nullptr},
           {"/step", std::uint64_t{1} << 63U},
           {"/evaluated", -1},
           {"/best_bits", -0.5},
           {"/best_bits", huge},
           {"/loss_scale", 0.0},
           {"/loss_scale", -1.0},
           {"/loss_scale", huge},
           {"/passed_over", std::int64_t{1} << 62U},
           {"/watch/loss/mean", nullptr},
           {"/watch/loss/mean", huge},
           {"/watch/gradient_norm/variance", -1.0},
           {"/watch/calm_steps", 51},
           {"/unlogged/nats", -1.0},
           {"/unlogged/loss_scale", 0.0},
           {"/averaged", 1},
           {"/kernels/local", "other"},
           {"/kernels", 3},
           {"/machine/gpu", std::string(1001, 'x')},
           {"/data_hash", "0123"},
           {"/data_hash", std::string(64, 'Z')},
           {"/format/kind", "film"},
           {"/format/shape", Json::array()},
           {"/format/shape", {0, 0, 0}},
           {"/format/shape", {4, 4, 2}},
           {"/format/shape", {4, 4}},
           {"/format/shape", {std::int64_t{1} << 40U, 4, 1}},
           {"/format/voices", 4},
           {"/format/sample_rate", 8000},
           {"/format/drums", true},
       }) {
    const std::string error = error_with(pointer, value);
    EXPECT_THAT(error, StartsWith("state.json:")) << pointer << " " << value;
    EXPECT_THAT(error, HasSubstr("got ")) << pointer << " " << value;
  }
}

TEST(TrainingState, ValuesThatDoNotFitEachOther) {
  EXPECT_THAT(error_with("/evaluated", 13),
              HasSubstr("evaluated: got 13, expected at most the 12 of step"));
  EXPECT_THAT(error_with("/sampled", 13), HasSubstr("at most the 12 of step"));
  EXPECT_THAT(error_with("/best_step", 13), HasSubstr("at most the 12 of step"));
  EXPECT_THAT(error_with("/skipped_steps", 13), HasSubstr("at most the 12 of step"));
  EXPECT_THAT(error_with("/skipped_in_a_row", 4), HasSubstr("at most the 3 of skipped_steps"));
  EXPECT_THAT(error_with("/watch/loss/count", 13), HasSubstr("at most the 12 of step"));
  EXPECT_THAT(error_with("/unlogged/steps", 13), HasSubstr("at most the 12 of step"));
  EXPECT_THAT(error_with("/unlogged/taken", 1), HasSubstr("at most the 0 of unlogged.steps"));
}

TEST(TrainingState, WhatEveryProgramWroteMustBeThere) {
  const auto expect_missing = [](const Json& json, const std::string& key) {
    try {
      parse_state(json.dump(2), "state.json");
      ADD_FAILURE() << key;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr(key + ": missing; expected a training state"));
    }
  };
  const Json whole = Json::parse(state_text(example()));
  for (const char* key : {"step", "evaluated", "machine", "data_hash"}) {
    Json json = whole;
    json.erase(key);
    expect_missing(json, key);
  }
  for (const Json& empty : {Json(), Json::object()}) {
    Json json = whole;
    json["watch"] = empty;
    expect_missing(json, "watch.loss.mean");
    json = whole;
    json["format"] = empty;
    expect_missing(json, "format.kind");
  }
}

TEST(TrainingState, TextsThatAreNoState) {
  for (const std::string& text : {std::string(), std::string("null"), std::string("[1]"),
                                  std::string(R"({"step": 1, "step": 2})"), std::string("step: 1"),
                                  std::string("{\"step\": 1, \"data_hash\": \"\xff\"}"),
                                  std::string(100'000, '['), std::string(R"({"step": 1)")}) {
    EXPECT_THROW(parse_state(text, "x"), UserError) << text.substr(0, 20);
  }
}

}  // namespace
}  // namespace sparse_transformer
