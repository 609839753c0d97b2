#include "data/audio.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config/errors.h"
#include "data/mu_law.h"
#include "files/atomic_file.h"
#include "files/audio.h"
#include "tests/data/all_tokens.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Samples = std::vector<std::int16_t>;

/// A quiet recording like no other.
Samples recording(int number, std::size_t size) {
  Samples samples;
  for (std::size_t i = 0; i < size; ++i) {
    samples.push_back(static_cast<std::int16_t>((i * 37 + static_cast<std::size_t>(number)) % 500));
  }
  return samples;
}

class AudioTest : public testing::Test {
 protected:
  void write(const std::string& name, const Sound& sound) {
    const bool is_flac = name.ends_with(".flac");
    write_file(folder_ / name, is_flac ? encode_flac(sound) : encode_wav(sound));
  }
  DataSettings settings() const {
    DataSettings settings;
    settings.source = DataSource::kAudio;
    settings.path = {folder_.path().string()};
    settings.audio.sample_rate = 8000;
    settings.split = {.valid = 0.0, .test = 0.0};
    return settings;
  }

  TemporaryFolder folder_;
};

TEST_F(AudioTest, EachFileIsAPartOfMuLaw) {
  write("a.wav", {8000, {0, 1000, -32768, 32767}, ""});
  write("b.flac", {8000, recording(1, 100'000), ""});
  const DataSet data = open_data(settings());
  EXPECT_EQ(data.format, (TokenFormat{TokenFormat::Kind::kSound, {}, 8000}));
  EXPECT_EQ(data.item_size, 0);
  EXPECT_THAT(data.train->part_starts(), ElementsAre(0, 4));
  std::vector<std::uint8_t> expected;
  for (const int sample : {0, 1000, -32768, 32767}) {
    expected.push_back(mu_law_encode(static_cast<std::int16_t>(sample)));
  }
  const Samples second = recording(1, 100'000);
  std::transform(second.begin(), second.end(), std::back_inserter(expected), mu_law_encode);
  EXPECT_EQ(all_tokens(*data.train), expected);
}

TEST_F(AudioTest, OtherRatesAreResampled) {
  write("a.wav", {16000, Samples(16000, 1000), ""});
  const DataSet data = open_data(settings());
  ASSERT_EQ(data.train->size(), 8000);
  EXPECT_EQ(all_tokens(*data.train)[4000], mu_law_encode(1000));
}

TEST_F(AudioTest, DamagedFilesAreNamed) {
  write("a.wav", {8000, recording(1, 50), ""});
  write_file(folder_ / "b.flac", std::string_view("fLaC and no more"));
  write_file(folder_ / "notes.txt", std::string_view("no sound"));
  write("silence.wav", {8000, {}, ""});
  const DataSet data = open_data(settings());
  EXPECT_EQ(data.train->size(), 50);
  ASSERT_THAT(data.skipped, SizeIs(3));
  EXPECT_THAT(data.skipped[0].reason, HasSubstr("b.flac is not a whole FLAC file"));
  EXPECT_THAT(data.skipped[1].reason, HasSubstr("notes.txt is not a sound file"));
  EXPECT_THAT(data.skipped[2].reason, HasSubstr("silence.wav: empty"));
  DataSettings strict = settings();
  strict.damaged = DamagedFiles::kStop;
  EXPECT_THROW(open_data(strict), UserError);
}

TEST_F(AudioTest, BytesThatAreNoSoundAreWarnedOf) {
  for (const std::string name : {"b.wav", "a.wav"}) {
    std::vector<std::byte> file = encode_wav({8000, recording(1, 50), ""});
    file.insert(file.end(), 5, std::byte{'?'});
    write_file(folder_ / name, file);
  }
  const DataSet data = open_data(settings());
  EXPECT_EQ(data.train->size(), 100);
  EXPECT_THAT(data.warnings, ElementsAre(HasSubstr("a.wav: 5 bytes"), HasSubstr("b.wav: 5 bytes")));
}

TEST_F(AudioTest, WholeFilesGoToOneSplit) {
  for (int i = 0; i < 40; ++i) {
    write("f" + std::to_string(i) + ".wav", {8000, recording(i, 100), ""});
  }
  DataSettings shared = settings();
  shared.split = {.valid = 10.0, .test = 10.0};
  const DataSet data = open_data(shared);
  EXPECT_EQ(data.train->size(), 2000);
  EXPECT_EQ(data.valid->size(), 1000);
  EXPECT_EQ(data.test->size(), 1000);
  EXPECT_THAT(data.valid->part_starts(), SizeIs(10));
}

TEST_F(AudioTest, SplitsMayHavePathsOfTheirOwn) {
  const TemporaryFolder other;
  write("a.wav", {8000, recording(1, 50), ""});
  write_file(other / "b.wav", encode_wav({8000, recording(2, 60), ""}));
  DataSettings split = settings();
  split.split.valid = std::vector<std::string>{other.path().string()};
  EXPECT_EQ(open_data(split).valid->size(), 60);
  split.split.valid = std::vector<std::string>{"/nowhere"};
  EXPECT_THROW(open_data(split), SettingError);
}

}  // namespace
}  // namespace sparse_transformer
