// A user's own recordings and scores go in, and new ones come out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "tests/app/tiny_runs.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kTraining =
    "model: {layers: 1, width: 16, heads: 2, attention: {stride: 8, layers: [strided]}}\n"
    "training: {steps: 4, batch: 2, warmup: 1, evaluate_every: 2, sample_every: 4,\n"
    "           sample_count: 2, checkpoint_every: 2, device: cpu}\n";

std::string number(std::uint32_t value, int size, bool little_endian) {
  std::string bytes;
  for (int i = 0; i < size; ++i) {
    const int place = little_endian ? i : size - 1 - i;
    bytes += static_cast<char>(value >> (8 * place));
  }
  return bytes;
}

/// A second of a tone.
std::string wav(std::uint32_t rate, double frequency) {
  std::string samples;
  for (std::uint32_t i = 0; i < rate; ++i) {
    const double wave = std::sin(6.2832 * frequency * i / rate);
    samples += number(static_cast<std::uint32_t>(std::lround(9000.0 * wave)), 2, true);
  }
  const auto size = static_cast<std::uint32_t>(samples.size());
  const auto le = [](std::uint32_t value, int bytes) { return number(value, bytes, true); };
  return "RIFF" + le(36 + size, 4) + "WAVEfmt " + le(16, 4) + le(1, 2) + le(1, 2) + le(rate, 4) +
         le(2 * rate, 4) + le(2, 2) + le(16, 2) + "data" + le(size, 4) + samples;
}

/// A scale in quarter notes on two tracks, from this pitch on.
std::string midi(int pitch) {
  std::string file = "MThd" + number(6, 4, false) + number(1, 2, false) + number(2, 2, false) +
                     number(96, 2, false);
  for (const int track : {0, 1}) {
    std::string events;
    for (int i = 0; i < 16; ++i) {
      const char note = static_cast<char>(pitch + i % 8 + 12 * track);
      events += std::string{'\0', '\x90', note, '\x40', '\x60', '\x80', note, '\0'};
    }
    events += std::string{'\0', '\xff', '\x2f', '\0'};
    file += "MTrk" + number(static_cast<std::uint32_t>(events.size()), 4, false) + events;
  }
  return file;
}

class SoundAndScores : public TinyRuns {
 protected:
  SoundAndScores() {
    for (int i = 0; i < 6; ++i) {
      write("sounds/" + std::to_string(i) + ".wav", wav(8000, 200.0 + 50.0 * i));
      write("scores/" + std::to_string(i) + ".mid", midi(50 + i));
    }
    write("sound.yaml",
          "data: {source: audio, path: sounds, audio: {sample_rate: 4000}, sequence: 64,\n"
          "       split: {valid: 1, test: 1}}\n" +
              kTraining);
    write("score.yaml",
          "data: {source: midi, path: scores, midi: {voices: 2}, sequence: 64, transpose: 3,\n"
          "       split: {valid: 1, test: 1}}\n" +
              kTraining);
  }

  CommandResult succeed(const std::string& line) const {
    CommandResult result = run(line);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result;
  }
};

TEST_F(SoundAndScores, SoundIsLearntAndMade) {
  write("sounds/cut.wav", wav(8000, 300.0).substr(0, 1000));
  const CommandResult trained = succeed("train sound.yaml --run a");
  EXPECT_THAT(trained.err, HasSubstr("skipped: "));
  EXPECT_THAT(trained.err, HasSubstr("cut.wav is not a whole WAV file"));
  EXPECT_THAT(read("a/samples/training.wav"), StartsWith("RIFF"));
  succeed("sample a --out x.wav");
  EXPECT_THAT(read("x.wav"), HasSubstr("data" + number(2 * 64, 4, true)));
  succeed("sample a --out x.flac --count 2 --prime sounds/0.wav --prime-length 20");
  EXPECT_THAT(read("x-1.flac"), StartsWith("fLaC"));
  succeed("evaluate a");
  expect_refused("sample a --out x.mp3", {"x.mp3: sound is written as WAV or FLAC"});
  expect_refused("train sound.yaml --run b --set data.damaged=stop", {"cut.wav"});
}

TEST_F(SoundAndScores, TheFileIsHeardNotItsSizes) {
  const std::string sound = wav(8000, 300.0);
  const auto with_sizes = [&sound](std::uint32_t size) {
    std::string file = sound;
    return file.replace(4, 4, number(size, 4, true)).replace(40, 4, number(size, 4, true));
  };
  write("sizes/0.wav", with_sizes(0));
  write("sizes/1.wav", with_sizes(0x7FFFF000));
  write("sizes/2.wav", "ID3\x03" + std::string(6, '\0') + sound + sound);
  write("sizes/3.wav", sound + "more");
  const CommandResult prepared = succeed(
      "prepare sound.yaml --out sizes.safetensors --set data.path=sizes --set data.split.valid=0 "
      "--set data.split.test=0");
  EXPECT_THAT(prepared.out, HasSubstr("20,000")) << "five seconds at 4,000 samples";
  EXPECT_THAT(prepared.err, HasSubstr("warning: "));
  EXPECT_THAT(prepared.err, HasSubstr("3.wav: 4 bytes after its sound are left out"));
  succeed("train sound.yaml --run a");
  const CommandResult sampled =
      succeed("sample a --out x.wav --prime sizes/3.wav --prime-length 20");
  EXPECT_THAT(sampled.err, HasSubstr("warning: sizes/3.wav: 4 bytes after its sound"));
  write("none.wav", with_sizes(0).substr(0, 44));
  expect_refused("sample a --out y.wav --prime none.wav", {"none.wav: empty"});
  write("a.aiff", "FORM" + number(4, 4, false) + "AIFF");
  expect_refused("sample a --out y.wav --prime a.aiff", {"a file of AIFF"});
}

TEST_F(SoundAndScores, ScoresAreLearntAndMade) {
  succeed("train score.yaml --run a");
  EXPECT_THAT(read("a/samples/training.mid"), StartsWith("MThd"));
  succeed("sample a --out x.mid --prime scores/0.mid --prime-length 20");
  EXPECT_THAT(read("x.mid"), StartsWith("MThd"));
  EXPECT_THAT(read("x.mid"), HasSubstr("Software: sparse-transformer"));
  succeed("sample a --out x.png --count 2");
  EXPECT_THAT(read("x.png"), StartsWith("\x89PNG")) << "both on one picture";
  EXPECT_THAT(read("a/samples/training.png"), StartsWith("\x89PNG"));
  EXPECT_THAT(read("a/samples/step-00000004.png"), StartsWith("\x89PNG"));
  succeed("evaluate a");
  expect_refused("sample a --out x.wav", {"x.wav: scores are written as MIDI"});
}

TEST_F(SoundAndScores, DrumsAreKeptWhereTheRunKeepsThem) {
  std::string drums = midi(36);
  for (std::size_t i = 0; (i = drums.find("\x60\x80", i)) != std::string::npos; i += 2) {
    drums[i + 1] = '\x89';
  }
  for (std::size_t i = 0; (i = drums.find(std::string("\0\x90", 2), i)) != std::string::npos;
       i += 2) {
    drums[i + 1] = '\x99';
  }
  write("drums.mid", drums);
  expect_refused("train score.yaml --run a --set data.path=drums.mid",
                 {"drums.mid: only drums (channel 10)", "keep"});
  write("scores/drums.mid", drums);
  const CommandResult left = succeed("prepare score.yaml --out left.safetensors");
  EXPECT_THAT(left.err, HasSubstr("drums.mid: only drums (channel 10)"));
  succeed("train score.yaml --run left");
  expect_refused("sample left --out x.mid --prime drums.mid --prime-length 20", {"only drums"});
  succeed("prepare score.yaml --out kept.safetensors --set data.midi.drums=keep");
  succeed(
      "train score.yaml --run kept --set data.source=packed --set data.path=kept.safetensors "
      "--set data.split={}");
  succeed("sample kept --out x.mid --prime drums.mid --prime-length 20");
  succeed("attention kept --out x.png --prime drums.mid");
}

TEST_F(SoundAndScores, APrimeThatHoldsNothingIsRefused) {
  succeed("train score.yaml --run score");
  write("none.mid",
        midi(50).substr(0, 14) + "MTrk" + number(4, 4, false) + std::string("\0\xff\x2f\0", 4));
  expect_refused("sample score --out x.mid --prime none.mid", {"none.mid: a score without notes"});
  expect_refused("attention score --out x.png --prime none.mid", {"a score without notes"});
  succeed("train sound.yaml --run sound");
  write("none.wav",
        "RIFF" + number(36, 4, true) + wav(8000, 300.0).substr(8, 32) + number(0, 4, true));
  expect_refused("sample sound --out x.wav --prime none.wav", {"none.wav: empty"});
}

TEST_F(SoundAndScores, APackedFileTrainsTheSameModel) {
  for (const std::string kind : {"sound", "score"}) {
    succeed("prepare " + kind + ".yaml --out " + kind + ".safetensors");
    succeed("train " + kind + ".yaml --run " + kind);
    succeed("train " + kind + ".yaml --run " + kind + "-packed --set data.source=packed" +
            " --set data.path=" + kind + ".safetensors --set data.split={}");
    for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
      EXPECT_TRUE(tensor_bytes(checkpoint_of(folder() / kind, 4) / file) ==
                  tensor_bytes(checkpoint_of(folder() / (kind + "-packed"), 4) / file))
          << kind << " " << file;
    }
  }
}

TEST_F(SoundAndScores, WhatDoesNotFitIsNamed) {
  expect_refused("train sound.yaml --run a --set data.transpose=2",
                 {"data.transpose: got 2", "no scores"});
  expect_refused("train score.yaml --run a --set data.sequence=65",
                 {"multiple of the 8 of a beat"});
  expect_refused("train score.yaml --run a --set data.shape=[8,8,1]",
                 {"data.shape", "no pictures"});
  expect_refused("train score.yaml --run a --set data.path=sounds", {"not a MIDI file"});
  expect_refused("train sound.yaml --run a --set data.path=scores", {"not a sound file"});
}

}  // namespace
}  // namespace sparse_transformer
