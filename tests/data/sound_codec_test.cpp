#include "data/sound_codec.h"

#include <gmock/gmock.h>

#include "config/errors.h"
#include "data/mu_law.h"
#include "files/audio.h"

namespace sparse_transformer {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t kLoud = 0x80;  // stands for 32,124

TEST(SoundCodec, SoundsHaveSilenceBetweenAndFadeAtTheirEnds) {
  for (const char* extension : {".wav", ".flac"}) {
    const auto file =
        encode_sounds(4000, {Bytes(100, kLoud), Bytes(200, kLoud)}, extension, "seed: 7");
    const Sound both = decode_sound(file, "sound", 4000);
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    EXPECT_THAT(text, ::testing::HasSubstr("seed: 7"));
    ASSERT_EQ(both.samples.size(), 100U + 800U + 200U);
    for (const std::size_t begin : {std::size_t{0}, std::size_t{900}}) {
      const std::size_t end = begin == 0 ? 99 : 1099;
      for (std::size_t i = 0; i <= 40; ++i) {  // 10 ms
        const auto expected = static_cast<std::int16_t>(32124 * static_cast<int>(i) / 40);
        EXPECT_EQ(both.samples[begin + i], expected);
        EXPECT_EQ(both.samples[end - i], expected);
      }
      EXPECT_EQ(both.samples[begin + 50], 32124);
    }
    EXPECT_EQ(both.samples[100], 0);
    EXPECT_EQ(both.samples[899], 0);
  }
}

TEST(SoundCodec, AShortSoundFadesToItsMiddle) {
  const Sound sound = decode_sound(encode_sounds(8000, {Bytes(5, kLoud)}, ".wav", ""), "a", 8000);
  EXPECT_THAT(sound.samples, ::testing::ElementsAre(0, 16062, 32124, 16062, 0));
  EXPECT_EQ(decode_sound(encode_sounds(8000, {Bytes{}}, ".wav", ""), "a", 8000).samples.size(), 0U);
}

TEST(SoundCodec, TokensAreMuLawAtTheRateAskedFor) {
  const Sound sound{16000, std::vector<std::int16_t>(1600, 500), ""};
  const Bytes tokens = decode_to_tokens(encode_flac(sound), "a", 8000);
  ASSERT_EQ(tokens.size(), 800U);
  EXPECT_EQ(tokens[400], mu_law_encode(500));
  EXPECT_THROW(decode_to_tokens({}, "a", 8000), UserError);
  EXPECT_THROW(decode_to_tokens(encode_wav({8000, {}, ""}), "a", 8000), UserError) << "no samples";
}

}  // namespace
}  // namespace sparse_transformer
