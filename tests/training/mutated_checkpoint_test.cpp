// A checkpoint from a stranger has the right checksums, whatever it says: sampling from it gives
// samples or an error of one line.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "config/errors.h"
#include "data/codec.h"
#include "files/atomic_file.h"
#include "files/sha256.h"
#include "generation/sampler.h"
#include "tests/temporary_folder.h"
#include "training/checkpoint.h"
#include "training/learner.h"
#include "training/trained_model.h"

namespace sparse_transformer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPictures =
    "data: {source: generated, shape: [8, 8, 3]}\n"
    "model: {layers: 1, width: 8, heads: 2, attention: {layers: [local+column]}}\n"
    "training: {steps: 9, device: cpu}\n";
constexpr const char* kScores =
    "data: {source: midi, path: none.mid, sequence: 64, midi: {voices: 4, steps_per_beat: 4}}\n"
    "model: {layers: 1, width: 8, heads: 2}\n"
    "training: {steps: 9, device: cpu}\n";
constexpr const char* kSound =
    "data: {source: audio, path: none.wav, sequence: 64, audio: {sample_rate: 8000}}\n"
    "model: {layers: 1, width: 8, heads: 2}\n"
    "training: {steps: 9, device: cpu}\n";

/// Writes a checkpoint of fresh weights.
fs::path make_checkpoint(const fs::path& parent, const std::string& config) {
  const Settings settings = read_settings(Config::from_text(config, "config", {}));
  const Learner learner(settings, at::kCPU);
  TrainingProgress progress;
  progress.step = 9;
  progress.data_hash = std::string(64, '0');
  progress.format = settings.data.token_format().value();
  return write_checkpoint(parent, learner.tensors(), progress, resolved_yaml(settings));
}

/// Makes the manifest that of the files as they are now.
void seal(const fs::path& checkpoint) {
  const fs::path manifest = checkpoint / "manifest.json";
  auto json = nlohmann::ordered_json::parse(read_file(manifest));
  for (auto& [name, hash] : json["sha256"].items()) hash = sha256_of_file(checkpoint / name);
  write_file(manifest, json.dump());
}

/// One number of a text replaced by one that is unlikely to be right, or one byte by another.
std::string mutated(std::string text, std::mt19937& random) {
  constexpr std::array<const char*, 12> kNumbers = {"0",
                                                    "-1",
                                                    "2",
                                                    "3",
                                                    "64",
                                                    "65536",
                                                    "2147483648",
                                                    "4611686018427387904",
                                                    "1e18",
                                                    "-0.5",
                                                    "9223372036854775807",
                                                    "1e999"};
  const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
  const std::size_t place = random() % text.size();
  const auto digit =
      std::find_if(text.begin() + static_cast<std::ptrdiff_t>(place), text.end(), is_digit);
  if (random() % 4 == 0 || digit == text.end()) {
    text[place] = static_cast<char>(random() % 256);
    return text;
  }
  const auto end = std::find_if_not(digit, text.end(), is_digit);
  return std::string(text.begin(), digit) + kNumbers[random() % kNumbers.size()] +
         std::string(end, text.end());
}

/// What the command `sample` does.
void sample(const fs::path& checkpoint) {
  TrainedModel trained = find_trained_model(checkpoint, {});
  load_weights(trained);
  Samples samples;
  draw_samples(*trained.model, {.count = 2}, samples);
  for (const std::string_view extension :
       {sample_extension(trained.format), std::string_view(".png")}) {
    encode_samples(trained.format, samples, {}, extension);
  }
}

class MutatedCheckpoint : public testing::TestWithParam<const char*> {};

TEST_P(MutatedCheckpoint, IsSampledOrRefusedInOneLine) {
  const TemporaryFolder folder;
  const fs::path checkpoint = make_checkpoint(folder.path(), GetParam());
  sample(checkpoint);
  std::mt19937 random(7);
  int sampled = 0, refused = 0;
  for (const char* name :
       {"state.json", "config.yaml", "average.safetensors", "model.safetensors"}) {
    const std::string whole = read_file(checkpoint / name);
    const bool is_text = !std::string_view(name).ends_with("safetensors");
    const std::size_t length = is_text ? whole.size() : 8 + whole.find("}}");  // of the header
    for (int round = 0; round < (is_text ? 200 : 50); ++round) {
      write_file(checkpoint / name,
                 mutated(whole.substr(0, length), random) + whole.substr(length));
      seal(checkpoint);
      try {
        sample(checkpoint);
        ++sampled;
      } catch (const UserError& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        ++refused;
      } catch (const WorldError&) {
        ++refused;  // weights that are not finite
      }
    }
    write_file(checkpoint / name, whole);
  }
  EXPECT_GT(sampled, 0);
  EXPECT_GT(refused, 100);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, MutatedCheckpoint, testing::Values(kPictures, kScores, kSound), [](const auto& kind) {
      return std::string(std::array{"Pictures", "Scores", "Sound"}.at(kind.index));
    });

}  // namespace
}  // namespace sparse_transformer
