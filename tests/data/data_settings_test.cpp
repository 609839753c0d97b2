#include "data/data_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/config.h"
#include "config/errors.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Shape = std::vector<std::int64_t>;

TEST(DataSettings, SequenceIsGivenOrFollowsFromTheShape) {
  DataSettings settings;
  EXPECT_THAT([&] { settings.sequence_length(); },
              ThrowsMessage<SettingError>(HasSubstr("data.sequence: missing")));
  settings.sequence = 1024;
  EXPECT_EQ(settings.sequence_length(), 1024);
  EXPECT_TRUE(settings.picture_shape().empty());

  settings = {};
  settings.shape = {64, 64, 3};
  EXPECT_EQ(settings.sequence_length(), 12288);
  settings.sequence = 12288;
  EXPECT_EQ(settings.sequence_length(), 12288);
  settings.sequence = 4096;
  EXPECT_THAT([&] { settings.sequence_length(); },
              ThrowsMessage<SettingError>(HasSubstr("data.sequence: got 4096")));
}

TEST(DataSettings, AreReadFromAConfigAndWrittenBack) {
  DataSettings settings;
  Config::from_text(
      "{source: generated, path: x, shape: [32, 32, 1], split: {valid: 0.1, test: [/a, /b]}, "
      "generated: {kind: tunes, items: 7}}",
      "test", {"sequence=1024"})
      .read(settings);
  EXPECT_EQ(settings.source, DataSource::kGenerated);
  EXPECT_EQ(settings.path.size(), 1U);
  EXPECT_EQ(settings.sequence, 1024);
  EXPECT_EQ(settings.shape, (Shape{32, 32, 1}));
  EXPECT_EQ(settings.split.valid, NumberOrPaths(0.1));
  EXPECT_EQ(settings.split.test, NumberOrPaths(std::vector<std::string>{"/a", "/b"}));
  EXPECT_EQ(settings.generated.kind, GeneratedKind::kTunes);
  EXPECT_EQ(settings.generated.items, 7);

  DataSettings score;
  Config::from_text("{source: midi, midi: {voices: 3, steps_per_beat: 8}, transpose: 6}", "test",
                    {})
      .read(score);
  EXPECT_EQ(score.source, DataSource::kMidi);
  EXPECT_EQ(score.midi.voices, 3);
  EXPECT_EQ(score.midi.steps_per_beat, 8);
  EXPECT_EQ(score.transpose, 6);
  DataSettings sound;
  Config::from_text("{source: audio, audio: {sample_rate: 8000}}", "test", {}).read(sound);
  EXPECT_EQ(sound.source, DataSource::kAudio);
  EXPECT_EQ(sound.audio.sample_rate, 8000);

  for (const DataSettings& given : {settings, score, sound, DataSettings{}}) {
    DataSettings again;
    Config::from_text(resolved_yaml(given), "resolved", {}).read(again);
    EXPECT_TRUE(settings_differences(given, again).empty());
  }
  EXPECT_THROW(Config::from_text("generated: {items: 0}", "test", {}).read(settings), UserError);
  EXPECT_THROW(Config::from_text("midi: {voices: 0}", "test", {}).read(settings), UserError);
  EXPECT_THROW(Config::from_text("audio: {sample_rate: 999}", "test", {}).read(settings),
               UserError);
  EXPECT_THROW(Config::from_text("transpose: -1", "test", {}).read(settings), UserError);
  EXPECT_THROW(Config::from_text("sequence: -1", "test", {}).read(settings), UserError);
  EXPECT_THROW(Config::from_text("split: {valid: -1}", "test", {}).read(settings), UserError);
}

TEST(DataSettings, ShapeIsImpliedByTheSource) {
  DataSettings settings;
  settings.source = DataSource::kCifar10;
  EXPECT_EQ(settings.picture_shape(), (Shape{32, 32, 3}));
  EXPECT_EQ(settings.sequence_length(), 3072);
  settings.source = DataSource::kGenerated;
  EXPECT_EQ(settings.picture_shape(), (Shape{16, 16, 3}));
  settings.generated.kind = GeneratedKind::kTunes;
  EXPECT_TRUE(settings.picture_shape().empty());
  settings.shape = {8, 8, 1};
  EXPECT_THROW(settings.picture_shape(), SettingError);
}

TEST(DataSettings, RefusesWhatIsNoShape) {
  DataSettings settings;
  for (const Shape& shape : {Shape{32}, Shape{32, 32}, Shape{32, 32, 2}, Shape{3, 32, 32, 3}}) {
    settings.shape = shape;
    EXPECT_THAT([&] { settings.picture_shape(); },
                ThrowsMessage<SettingError>(HasSubstr("1 or 3 channels")));
  }
}

TEST(DataSettings, OnlyPicturesAreMirrored) {
  DataSettings settings;
  settings.source = DataSource::kGenerated;
  settings.mirror = true;
  EXPECT_NO_THROW(open_data(settings));
  settings.generated.kind = GeneratedKind::kTunes;
  settings.sequence = 1000;
  EXPECT_THAT([&] { open_data(settings); },
              ThrowsMessage<SettingError>(HasSubstr("data.mirror: got true, but generated tunes")));
}

std::string misfit(const TokenFormat& format, const std::string& yaml) {
  DataSettings settings;
  Config::from_text(yaml, "test", {}).read(settings);
  try {
    check_format(format, settings);
  } catch (const SettingError& error) {
    return error.what();
  }
  return "";
}

TEST(DataSettings, TellWhatFormatTheirDataHave) {
  using Kind = TokenFormat::Kind;
  const TokenFormat picture{.kind = Kind::kPicture, .shape = {4, 4, 3}};
  const TokenFormat sound{.kind = Kind::kSound, .shape = {}, .sample_rate = 8000};
  const TokenFormat score{.kind = Kind::kScore, .shape = {}, .voices = 4, .steps_per_beat = 2};
  EXPECT_EQ(misfit({}, "{source: bytes, sequence: 64}"), "");
  EXPECT_EQ(misfit(picture, "{source: bytes, shape: [4, 4, 3]}"), "");
  EXPECT_EQ(misfit(picture, "{source: packed, sequence: 48}"), "");
  EXPECT_EQ(misfit(sound, "{source: audio, audio: {sample_rate: 8000}}"), "");
  EXPECT_EQ(misfit(score, "{source: midi, sequence: 64, midi: {steps_per_beat: 2}}"), "");
  EXPECT_EQ(misfit(picture, "{source: bytes, sequence: 64}"),
            "kind: got picture, expected bytes as in the settings");
  EXPECT_EQ(
      misfit(picture, "{source: numpy, shape: [4, 3, 4, 1]}"),
      "data.shape: got [4, 3, 4, 1], expected [height, width, channels] with 1 or 3 channels");
  EXPECT_EQ(misfit(picture, "{source: packed, sequence: 64}"),
            "shape: got 48 tokens, expected 64 tokens as in the settings");
  EXPECT_EQ(misfit(sound, "{source: audio}"),
            "sample_rate: got 8000, expected 16000 as in the settings");
  EXPECT_EQ(misfit(score, "{source: packed, sequence: 60}"),
            "voices: 8 tokens a beat do not divide a sequence of 60");
}

TEST(DataSettings, BoundTheSequence) {
  DataSettings settings;
  EXPECT_THROW(Config::from_text("sequence: 16777217", "test", {}).read(settings), UserError);
  settings.shape = {4096, 4096, 3};
  EXPECT_THROW(settings.sequence_length(), SettingError);
  settings.shape = {65536, 65536, 3};
  EXPECT_THROW(settings.sequence_length(), SettingError);
  settings.shape = {4096, 4096, 1};
  EXPECT_EQ(settings.sequence_length(), 16'777'216);
}

}  // namespace
}  // namespace sparse_transformer
