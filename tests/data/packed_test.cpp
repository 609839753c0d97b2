#include "data/packed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "config/errors.h"
#include "data/bytes.h"
#include "data/token_sources.h"
#include "files/safetensors.h"
#include "tests/data/all_tokens.h"
#include "tests/temporary_folder.h"

namespace sparse_transformer {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Bytes = std::vector<std::uint8_t>;

DataSettings packed_at(const std::filesystem::path& path) {
  DataSettings settings;
  settings.source = DataSource::kPacked;
  settings.path = {path.string()};
  return settings;
}

void expect_packs_unchanged(const DataSet& data) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "packed.safetensors";
  std::int64_t last = 0;
  pack_data(data, path, [&](std::int64_t done, std::int64_t total) {
    EXPECT_GT(done, last);
    EXPECT_LE(done, total);
    last = done;
  });
  EXPECT_EQ(last, data.train->size() + data.valid->size() + data.test->size());
  const DataSet packed = open_data(packed_at(path));
  EXPECT_EQ(packed.format, data.format);
  EXPECT_EQ(packed.item_size, data.item_size);
  EXPECT_EQ(all_tokens(*packed.train), all_tokens(*data.train));
  EXPECT_EQ(all_tokens(*packed.valid), all_tokens(*data.valid));
  EXPECT_EQ(all_tokens(*packed.test), all_tokens(*data.test));
  EXPECT_EQ(packed.train->part_starts(), data.train->part_starts());
  EXPECT_EQ(packed.content_hash(), data.content_hash());
}

TEST(Packed, EqualsTheSourceTokenForToken) {
  DataSettings settings;
  settings.source = DataSource::kGenerated;
  settings.generated.items = 2000;  // 1.4 MiB of pictures: more than one block
  expect_packs_unchanged(open_data(settings));

  settings.generated.items = 20;
  settings.generated.kind = GeneratedKind::kTunes;
  settings.sequence = 1000;
  settings.split.valid = 0.0;  // an empty split
  expect_packs_unchanged(open_data(settings));

  const TemporaryFolder folder;
  Bytes bytes(3000000);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  settings = {};
  settings.path = {folder.write("text", bytes)};
  expect_packs_unchanged(open_data(settings));
}

DataSet recordings() {
  DataSet data;
  data.source = "recordings";
  data.format = {.kind = TokenFormat::Kind::kSound, .shape = {}, .sample_rate = 8000};
  const std::vector<std::int64_t> starts = {0, 2, 7};
  data.train = std::make_shared<PartedTokens>(tokens_in_memory(Bytes(9, 5)), starts);
  data.valid = tokens_in_memory({1, 2, 3});
  data.test = tokens_in_memory({});
  return data;
}

TEST(Packed, KeepsRecordingsAndScoresApart) {
  DataSet data = recordings();
  expect_packs_unchanged(data);
  data.format = {.kind = TokenFormat::Kind::kScore,
                 .shape = {},
                 .sample_rate = 0,
                 .voices = 4,
                 .steps_per_beat = 2,
                 .drums = true};
  expect_packs_unchanged(data);
}

TEST(Packed, RefusesPartsThatAreNone) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "packed.safetensors";
  const auto refusal = [&](std::vector<std::int64_t> parts) {
    const auto bytes = [](std::size_t size) {
      return [size](const std::function<void(std::span<const std::byte>)>& sink) {
        sink(std::vector<std::byte>(size));
      };
    };
    std::vector<TensorToStore> tensors;
    for (const std::string name : {"train", "valid", "test"}) {
      tensors.push_back({name, ElementType::kUint8, {9}, bytes(9)});
      tensors.push_back({name + ".parts",
                         ElementType::kInt64,
                         {std::ssize(parts)},
                         [&](const std::function<void(std::span<const std::byte>)>& sink) {
                           sink(std::as_bytes(std::span(parts)));
                         }});
    }
    write_safetensors(
        path, tensors,
        {{"sparse_transformer.data", "1"}, {"kind", "sound"}, {"sample_rate", "8000"}});
    try {
      open_data(packed_at(path));
      return std::string("taken");
    } catch (const UserError& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(refusal({0, 3, 8}), "taken");
  EXPECT_THAT(refusal({1}), HasSubstr("part 0 begins at 1 of 9"));
  EXPECT_THAT(refusal({0, 3, 3}), HasSubstr("part 2 begins at 3 of 9"));
  EXPECT_THAT(refusal({0, -3}), HasSubstr("part 1 begins at -3 of 9"));
  EXPECT_THAT(refusal({0, 9}), HasSubstr("part 1 begins at 9 of 9"));
  EXPECT_THAT(refusal({}), HasSubstr("train.parts is not int64 [parts]"));
}

TEST(Packed, HeaderSaysWhatTheTokensAre) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "packed.safetensors";
  DataSettings settings;
  settings.source = DataSource::kGenerated;
  settings.generated.items = 20;
  pack_data(open_data(settings), path, [](std::int64_t, std::int64_t) {});
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("kind"), "picture");
  EXPECT_EQ(file.metadata().at("shape"), "[16, 16, 3]");
  EXPECT_EQ(file.metadata().at("source"), "generated pictures");
  EXPECT_EQ(file.tensor("train").shape, (std::vector<std::int64_t>{18, 768}));
  EXPECT_EQ(file.tensor("test").type, ElementType::kUint8);

  DataSettings other = packed_at(path);
  other.shape = {32, 8, 3};
  EXPECT_THAT([&] { open_data(other); },
              ThrowsMessage<SettingError>(HasSubstr("data.shape: got [32, 8, 3]")));
  other.path.push_back(folder.write("another", {}));
  EXPECT_THAT([&] { open_data(other); },
              ThrowsMessage<SettingError>(HasSubstr("data.path: got 2 paths")));
}

TensorToStore tensor(const std::string& name, std::vector<std::int64_t> shape) {
  const std::int64_t size =
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  return {name, ElementType::kUint8, std::move(shape), [size](const auto& sink) {
            sink(std::vector<std::byte>(static_cast<std::size_t>(size)));
          }};
}

TEST(Packed, RefusesOtherSafetensors) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "other.safetensors";
  const Metadata picture = {
      {"sparse_transformer.data", "1"}, {"kind", "picture"}, {"shape", "[2, 2, 1]"}};
  const auto refusal = [&](const std::vector<TensorToStore>& tensors, const Metadata& metadata) {
    write_safetensors(path, tensors, metadata);
    try {
      open_data(packed_at(path));
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr("other.safetensors"));
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const std::vector<TensorToStore> whole = {tensor("train", {3, 4}), tensor("valid", {1, 4}),
                                            tensor("test", {1, 4})};
  EXPECT_EQ(refusal(whole, picture), "accepted");
  EXPECT_THAT(refusal(whole, {{"format", "pt"}}), HasSubstr("no packed data set"));

  const auto with = [&](const std::string& key, const std::string& value) {
    Metadata metadata = picture;
    metadata[key] = value;
    return metadata;
  };
  EXPECT_THAT(refusal(whole, with("sparse_transformer.data", "2")), HasSubstr("version 2"));
  EXPECT_THAT(refusal(whole, with("kind", "smell")), HasSubstr("kind 'smell'"));
  const std::string longer(100'000, '['), shown = longer.substr(0, 80) + "...";
  EXPECT_THAT(refusal(whole, with("sparse_transformer.data", longer)),
              HasSubstr("version " + shown + ", which"));
  EXPECT_THAT(refusal(whole, with("kind", longer)), HasSubstr("kind '" + shown + "'"));
  EXPECT_THAT(refusal(whole, with("shape", longer)), HasSubstr("shape of '" + shown + "'"));
  EXPECT_THAT(
      refusal(whole,
              {{"sparse_transformer.data", "1"}, {"kind", "sound"}, {"sample_rate", longer}}),
      HasSubstr("sample_rate of '" + shown + "'"));
  EXPECT_THAT(refusal(whole, with("shape", "[2, 2")), HasSubstr("shape of '[2, 2'"));
  EXPECT_THAT(refusal(whole, with("shape", "[2, 2, 2]")), HasSubstr("shape of '[2, 2, 2]'"));
  EXPECT_THAT(refusal(whole, with("shape", "[2, -2, 1]")), HasSubstr("shape of '[2, -2, 1]'"));
  EXPECT_THAT(refusal(whole, with("shape", "[4, 4, 1]")), HasSubstr("with 4 tokens"));
  EXPECT_THAT(refusal(whole, with("shape", "7")), HasSubstr("shape of '7'"));
  EXPECT_THAT(refusal(whole, with("kind", "sound")), HasSubstr("has no sample_rate"));
  EXPECT_THAT(
      refusal(whole,
              {{"sparse_transformer.data", "1"}, {"kind", "sound"}, {"sample_rate", "4000 or so"}}),
      HasSubstr("sample_rate of '4000 or so'"));
  const auto sound = [](const std::string& rate) -> Metadata {
    return {{"sparse_transformer.data", "1"}, {"kind", "sound"}, {"sample_rate", rate}};
  };
  EXPECT_THAT(refusal(whole, sound("0")),
              HasSubstr("sample_rate: got 0, expected a whole number from 1000 to 192000"));
  EXPECT_THAT(refusal(whole, sound("99999999999999999999")), HasSubstr("sample_rate of '9999"));
  const auto score = [](const std::string& voices, const std::string& steps) -> Metadata {
    return {{"sparse_transformer.data", "1"},
            {"kind", "score"},
            {"voices", voices},
            {"steps_per_beat", steps}};
  };
  EXPECT_THAT(refusal(whole, score("0", "4")), HasSubstr("voices: got 0, expected"));
  EXPECT_THAT(refusal(whole, score("1099511627776", "4")), HasSubstr("voices: got 1099511627776"));
  EXPECT_THAT(refusal(whole, score("4", "-4")), HasSubstr("steps_per_beat: got -4, expected"));

  EXPECT_THAT(refusal({whole[0], whole[1]}, picture), HasSubstr("test"));
  EXPECT_THAT(refusal({whole[0], whole[1], tensor("test", {1, 5})}, picture),
              HasSubstr("tensor test of shape [1, 5]"));
  EXPECT_THAT(refusal({whole[0], whole[1], tensor("test", {4})}, picture),
              HasSubstr("tensor test of shape [4]"));
}

}  // namespace
}  // namespace sparse_transformer
