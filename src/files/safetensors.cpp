#include "files/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "config/errors.h"
#include "config/scalars.h"
#include "files/atomic_file.h"
#include "files/json.h"

namespace sparse_transformer {

static_assert(std::endian::native == std::endian::little,
              "tensors are stored as they lie in memory");

namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr std::size_t kMaxDepth = 3;             // file, tensor, list
constexpr std::size_t kDataAlignment = 64;
constexpr std::string_view kMetadataKey = "__metadata__";

struct TypeEntry {
  ElementType type;
  std::string_view name;
  std::size_t size;
};

constexpr std::array<TypeEntry, 6> kTypes = {{{ElementType::kUint8, "U8", 1},
                                              {ElementType::kInt64, "I64", 8},
                                              {ElementType::kFloat16, "F16", 2},
                                              {ElementType::kBfloat16, "BF16", 2},
                                              {ElementType::kFloat32, "F32", 4},
                                              {ElementType::kFloat64, "F64", 8}}};

const TypeEntry& entry_of(ElementType type) {
  return *std::find_if(kTypes.begin(), kTypes.end(),
                       [&](const TypeEntry& entry) { return entry.type == type; });
}

/// Bytes of a tensor, or nothing where the number does not fit.
std::optional<std::uint64_t> byte_count(ElementType type, const std::vector<std::int64_t>& shape) {
  std::uint64_t bytes = element_size(type);
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

/// The checks of one file, so that every message begins with its name.
class HeaderReader {
 public:
  HeaderReader(const std::filesystem::path& path, std::span<const std::byte> bytes)
      : path_(path), bytes_(bytes) {}

  /// Fills both from the header.
  void read(std::map<std::string, StoredTensor>& tensors, Metadata& metadata) {
    const nlohmann::json header = parse(header_text());
    for (const auto& [name, entry] : header.items()) {
      if (name == kMetadataKey) {
        metadata = read_metadata(entry);
        continue;
      }
      tensors.emplace(name, read_tensor(name, entry));
    }
    check_covered(tensors);
  }

 private:
  [[noreturn]] void fail(const std::string& fault) const {
    throw UserError(path_.string() + " is not a whole safetensors file: " + fault);
  }

  std::string_view header_text() {
    std::uint64_t length = 0;
    if (bytes_.size() < kLengthBytes) fail("it has fewer than 8 bytes");
    std::memcpy(&length, bytes_.data(), kLengthBytes);
    if (length > kMaxHeader) fail("its header would be longer than 100 MB");
    if (length > bytes_.size() - kLengthBytes) fail("it is cut off within the header");
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + kLengthBytes,
                                length);
    data_ = bytes_.subspan(kLengthBytes + length);
    if (!text.starts_with('{')) fail("its header does not start with '{'");
    return text;
  }

  nlohmann::json parse(std::string_view text) const {
    try {
      return parse_json(text, kMaxDepth);
    } catch (const JsonFault& fault) {
      fail(std::string("its header ") + fault.what());
    }
  }

  Metadata read_metadata(const nlohmann::json& entry) const {
    if (!entry.is_object()) fail("its metadata is not an object");
    Metadata metadata;
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) fail("its metadata '" + one_line(key) + "' is not a string");
      metadata[key] = value.get<std::string>();
    }
    return metadata;
  }

  StoredTensor read_tensor(const std::string& name, const nlohmann::json& entry) const {
    if (!entry.is_object()) fail("tensor '" + one_line(name) + "' has no description");
    StoredTensor tensor{read_type(name, entry), read_shape(name, entry), {}};
    const auto bytes = byte_count(tensor.type, tensor.shape);
    if (!bytes) fail("the size of tensor '" + one_line(name) + "' overflows");
    const auto [begin, end] = read_extent(name, entry);
    if (begin > end || end > data_.size()) {
      fail("tensor '" + one_line(name) + "' lies outside of the file (is the file cut off?)");
    }
    if (end - begin != *bytes) {
      fail("tensor '" + one_line(name) + "' takes " + std::to_string(end - begin) +
           " bytes, its shape and type " + std::to_string(*bytes));
    }
    tensor.bytes = data_.subspan(begin, end - begin);
    return tensor;
  }

  ElementType read_type(const std::string& name, const nlohmann::json& entry) const {
    const auto field = entry.find("dtype");
    if (field == entry.end() || !field->is_string())
      fail("tensor '" + one_line(name) + "' has no dtype");
    const std::string given = *field;
    for (const TypeEntry& type : kTypes) {
      if (type.name == given) return type.type;
    }
    throw UserError(path_.string() + ": tensor '" + one_line(name) + "' has the type " +
                    one_line(given) + "; known are U8, I64, F16, BF16, F32 and F64");
  }

  std::vector<std::uint64_t> read_numbers(const std::string& name, const nlohmann::json& entry,
                                          const char* key) const {
    const auto field = entry.find(key);
    const auto is_size = [](const nlohmann::json& item) { return item.is_number_unsigned(); };
    if (field == entry.end() || !field->is_array() ||
        !std::all_of(field->begin(), field->end(), is_size)) {
      fail("tensor '" + one_line(name) + "' has no list of sizes as its " + key);
    }
    return field->get<std::vector<std::uint64_t>>();
  }

  std::vector<std::int64_t> read_shape(const std::string& name, const nlohmann::json& entry) const {
    std::vector<std::int64_t> shape;
    for (const std::uint64_t size : read_numbers(name, entry, "shape")) {
      shape.push_back(static_cast<std::int64_t>(size));  // beyond 2^63 becomes negative: refused
    }
    return shape;
  }

  std::pair<std::uint64_t, std::uint64_t> read_extent(const std::string& name,
                                                      const nlohmann::json& entry) const {
    const auto offsets = read_numbers(name, entry, "data_offsets");
    if (offsets.size() != 2) fail("tensor '" + one_line(name) + "' has not two data_offsets");
    return {offsets[0], offsets[1]};
  }

  /// Every byte belongs to exactly one tensor.
  void check_covered(const std::map<std::string, StoredTensor>& tensors) const {
    std::set<std::tuple<std::size_t, std::size_t, std::string>> extents;
    for (const auto& [name, tensor] : tensors) {
      const auto begin = static_cast<std::size_t>(tensor.bytes.data() - data_.data());
      extents.emplace(begin, begin + tensor.bytes.size(), name);
    }
    std::size_t covered = 0;
    for (const auto& [begin, end, name] : extents) {
      if (begin < covered) fail("tensor '" + one_line(name) + "' overlaps another");
      if (begin > covered) fail("there is a hole before tensor '" + one_line(name) + "'");
      covered = end;
    }
    if (covered != data_.size()) fail("there are bytes after its last tensor");
  }

  const std::filesystem::path& path_;
  std::span<const std::byte> bytes_, data_;
};

std::vector<TensorToStore> in_file_order(std::vector<TensorToStore> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToStore& a, const TensorToStore& b) {
    return std::make_pair(element_size(b.type), std::cref(a.name)) <
           std::make_pair(element_size(a.type), std::cref(b.name));
  });
  return tensors;
}

std::uint64_t checked_byte_count(const TensorToStore& tensor) {
  const auto bytes = byte_count(tensor.type, tensor.shape);
  if (!bytes) throw std::logic_error("the shape of tensor '" + tensor.name + "' is impossible");
  return *bytes;
}

/// The header with its length in front, padded so that the data begins at a multiple of 64 bytes.
std::string header_of(const std::vector<TensorToStore>& tensors, const Metadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  std::uint64_t offset = 0;
  for (const TensorToStore& tensor : tensors) {
    if (header.contains(tensor.name)) {
      throw std::logic_error("two tensors are named '" + tensor.name + "'");
    }
    const std::uint64_t end = offset + checked_byte_count(tensor);
    header[tensor.name] = {{"dtype", entry_of(tensor.type).name},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json_text(header);
  const std::size_t unaligned = (kLengthBytes + text.size()) % kDataAlignment;
  if (unaligned != 0) text.append(kDataAlignment - unaligned, ' ');
  if (text.size() > kMaxHeader) throw std::logic_error("a safetensors header beyond 100 MB");
  const std::uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), kLengthBytes) + text;
}

}  // namespace

std::size_t element_size(ElementType type) { return entry_of(type).size; }

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path) {
  file_.parse([this] { HeaderReader(path_, file_.bytes()).read(tensors_, metadata_); });
}

const StoredTensor& SafetensorsFile::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw UserError(path_.string() + " has no tensor '" + name + "'");
  return found->second;
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorToStore>& tensors,
                       const Metadata& metadata) {
  const std::vector<TensorToStore> ordered = in_file_order(tensors);
  AtomicFile file(path);
  file.write(header_of(ordered, metadata));
  for (const TensorToStore& tensor : ordered) {
    std::uint64_t written = 0;
    tensor.write([&](std::span<const std::byte> bytes) {
      written += bytes.size();
      file.write(bytes);
    });
    if (written != checked_byte_count(tensor)) {
      throw std::logic_error("tensor '" + tensor.name + "' wrote " + std::to_string(written) +
                             " bytes of " + std::to_string(checked_byte_count(tensor)));
    }
  }
  file.commit();
}

}  // namespace sparse_transformer
