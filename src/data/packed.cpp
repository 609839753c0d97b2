#include "data/packed.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "config/scalars.h"
#include "config/words.h"
#include "data/text.h"
#include "data/token_sources.h"
#include "files/safetensors.h"

namespace sparse_transformer {

namespace {

constexpr std::int64_t kBlock = 1 << 20;

Metadata format_metadata(const DataSet& data) {
  const TokenFormat& format = data.format;
  Metadata metadata = {{"sparse_transformer.data", "1"},
                       {"kind", word_of(TokenFormat::kKindWords, format.kind)},
                       {"source", data.source}};
  if (format.kind == TokenFormat::Kind::kPicture) {
    metadata["shape"] = shape_text(format.shape);
  }
  if (format.kind == TokenFormat::Kind::kSound) {
    metadata["sample_rate"] = std::to_string(format.sample_rate);
  }
  if (format.kind == TokenFormat::Kind::kScore) {
    metadata["voices"] = std::to_string(format.voices);
    metadata["steps_per_beat"] = std::to_string(format.steps_per_beat);
    if (format.drums) metadata["drums"] = "keep";
  }
  return metadata;
}

[[noreturn]] void refuse(const SafetensorsFile& file, const std::string& problem) {
  throw UserError(file.path().string() + ": " + problem + "; expected a file from `prepare`");
}

std::string value_of(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) {
    refuse(file, "no packed data set: its metadata has no " + key);
  }
  return found->second;
}

std::vector<std::int64_t> read_shape(const SafetensorsFile& file) {
  const std::string text = value_of(file, "shape");
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::vector<std::int64_t> shape;
  for (const auto& size : json) {
    shape.push_back(size.is_number_integer() ? size.get<std::int64_t>() : 0);
  }
  if (!is_picture_shape(shape)) {
    refuse(file, "a picture's shape of '" + one_line(text) + "'");
  }
  return shape;
}

/// A whole number of the metadata.
std::int64_t read_number(const SafetensorsFile& file, const std::string& key) {
  const std::string text = value_of(file, key);
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, number);
  if (read != end || error != std::errc())
    refuse(file, "a " + key + " of '" + one_line(text) + "'");
  return number;
}

bool read_drums(const SafetensorsFile& file) {
  const auto found = file.metadata().find("drums");
  if (found == file.metadata().end()) return false;
  if (found->second != "keep") refuse(file, "drums of '" + one_line(found->second) + "'");
  return true;
}

TokenFormat read_format(const SafetensorsFile& file) {
  const std::string version = value_of(file, "sparse_transformer.data");
  if (version != "1") {
    refuse(file,
           "packed data of version " + one_line(version) + ", which this program does not know");
  }
  const std::string word = value_of(file, "kind");
  const auto kind = meaning_of<TokenFormat::Kind>(TokenFormat::kKindWords, word);
  if (!kind) {
    refuse(file, "data of kind '" + one_line(word) + "'");
  }
  TokenFormat format;
  format.kind = *kind;
  if (format.kind == TokenFormat::Kind::kPicture) {
    format.shape = read_shape(file);
  }
  if (format.kind == TokenFormat::Kind::kSound) {
    format.sample_rate = read_number(file, "sample_rate");
  }
  if (format.kind == TokenFormat::Kind::kScore) {
    format.voices = read_number(file, "voices");
    format.steps_per_beat = read_number(file, "steps_per_beat");
    format.drums = read_drums(file);
  }
  try {
    check_format(format);
  } catch (const SettingError& error) {
    refuse(file, error.what());
  }
  return format;
}

/// Tokens an item, 0 for a stream: from the tensors, which must agree.
std::int64_t read_item_size(const SafetensorsFile& file) {
  const std::vector<std::int64_t>& train = file.tensor("train").shape;
  for (const char* name : {"train", "valid", "test"}) {
    const StoredTensor& tensor = file.tensor(name);
    const bool fits =
        tensor.type == ElementType::kUint8 && tensor.shape.size() == train.size() &&
        (train.size() == 1 || (train.size() == 2 && train[1] > 0 && tensor.shape[1] == train[1]));
    if (!fits) {
      refuse(file, "tensor " + std::string(name) + " of shape " +
                       one_line(shape_text(tensor.shape)) +
                       " is not uint8 [bytes] or [items, tokens] like the others");
    }
  }
  return train.size() == 2 ? train[1] : 0;
}

void check_item_size(const SafetensorsFile& file, const DataSet& data) {
  std::int64_t pixels = 1;
  for (const std::int64_t size : data.format.shape) {
    pixels *= size;
  }
  if (data.format.kind == TokenFormat::Kind::kPicture && pixels != data.item_size) {
    refuse(file, "pictures of " + shape_text(data.format.shape) + " with " +
                     std::to_string(data.item_size) + " tokens");
  }
}

bool has_parts(const DataSet& data) {
  return data.is_stream() && data.format.kind != TokenFormat::Kind::kBytes;
}

std::string parts_name(std::string_view split) { return std::string(split) + ".parts"; }

std::vector<std::int64_t> read_parts(const SafetensorsFile& file, const std::string& split) {
  const StoredTensor& stored = file.tensor(parts_name(split));
  const std::size_t size = file.tensor(split).bytes.size();
  if (stored.type != ElementType::kInt64 || stored.shape.size() != 1 || stored.bytes.empty()) {
    refuse(file, parts_name(split) + " is not int64 [parts]");
  }
  std::vector<std::int64_t> parts(stored.bytes.size() / sizeof(std::int64_t));
  file.file().read(stored.bytes, std::as_writable_bytes(std::span(parts)));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool fits =
        i == 0 ? parts[i] == 0 : parts[i] > parts[i - 1] && std::cmp_less(parts[i], size);
    if (!fits) {
      refuse(file, parts_name(split) + ": part " + std::to_string(i) + " begins at " +
                       std::to_string(parts[i]) + " of " + std::to_string(size));
    }
  }
  return parts;
}

TensorToStore parts_to_store(const DataSet& data, Split split) {
  const std::vector<std::int64_t> starts = data.split(split).part_starts();
  return {parts_name(word_of(kSplitWords, split)),
          ElementType::kInt64,
          {std::ssize(starts)},
          [starts](const std::function<void(std::span<const std::byte>)>& sink) {
            sink(std::as_bytes(std::span(starts)));
          }};
}

}  // namespace

DataSet open_packed(const DataSettings& settings) {
  if (settings.path.size() != 1) {
    throw SettingError("data.path", "got " + std::to_string(settings.path.size()) +
                                        " paths, expected one packed file");
  }
  const auto file = std::make_shared<const SafetensorsFile>(settings.path.front());
  DataSet data;
  data.source = "packed " + settings.path.front();
  data.format = read_format(*file);
  data.item_size = read_item_size(*file);
  check_item_size(*file, data);
  if (!settings.shape.empty() && settings.shape != data.format.shape) {
    throw SettingError("data.shape", "got " + shape_text(settings.shape) + ", but " +
                                         settings.path.front() + " has " +
                                         shape_text(data.format.shape));
  }
  const auto tokens = [&](const char* name) -> std::shared_ptr<const Tokens> {
    const std::vector<TokenPiece> pieces = {{file->tensor(name).bytes, &file->file()}};
    const auto mapped = std::make_shared<const ConcatenatedTokens>(pieces, file);
    if (!has_parts(data)) return mapped;
    return std::make_shared<const PartedTokens>(mapped, read_parts(*file, name));
  };
  data.train = tokens("train");
  data.valid = tokens("valid");
  data.test = tokens("test");
  return data;
}

void pack_data(const DataSet& data, const std::filesystem::path& path,
               const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  const std::int64_t total = data.train->size() + data.valid->size() + data.test->size();
  std::int64_t done = 0;
  std::vector<TensorToStore> tensors;
  for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
    const Tokens& tokens = data.split(split);
    const auto write = [&](const std::function<void(std::span<const std::byte>)>& sink) {
      std::vector<std::uint8_t> block;
      for (std::int64_t offset = 0; offset < tokens.size(); offset += std::ssize(block)) {
        block.resize(static_cast<std::size_t>(std::min(kBlock, tokens.size() - offset)));
        tokens.read(offset, block);
        sink(std::as_bytes(std::span(block)));
        done += std::ssize(block);
        progress(done, total);
      }
    };
    std::vector<std::int64_t> shape = {tokens.size()};
    if (!data.is_stream()) {
      shape = {tokens.size() / data.item_size, data.item_size};
    }
    tensors.push_back({word_of(kSplitWords, split), ElementType::kUint8, shape, write});
    if (has_parts(data)) tensors.push_back(parts_to_store(data, split));
  }
  write_safetensors(path, tensors, format_metadata(data));
}

}  // namespace sparse_transformer
