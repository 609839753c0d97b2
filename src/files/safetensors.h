// Safetensors, the file format of checkpoints and packed data sets: u64le header length, JSON
// header, raw tensors. Read and written without LibTorch; every file opens in Python's safetensors
// library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "files/mapped_file.h"

namespace sparse_transformer {

enum class ElementType { kUint8, kInt64, kFloat16, kBfloat16, kFloat32, kFloat64 };

/// Bytes of one element.
std::size_t element_size(ElementType type);

using Metadata = std::map<std::string, std::string>;

/// A tensor inside a mapped file: row-major, little-endian; valid while the SafetensorsFile lives.
struct StoredTensor {
  ElementType type;
  std::vector<std::int64_t> shape;   // empty = a scalar
  std::span<const std::byte> bytes;  // read by MappedFile::read()
};

/// A whole file, mapped. Opening checks the header completely (sizes, overlaps, holes, trailing
/// bytes), so that reading a tensor cannot leave the file. Throws UserError naming the file and the
/// fault.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  /// Throws UserError naming the file when there is no such tensor.
  const StoredTensor& tensor(const std::string& name) const;
  const Metadata& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return path_; }
  const MappedFile& file() const { return file_; }

 private:
  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, StoredTensor> tensors_;
  Metadata metadata_;
};

/// A tensor to be written: `write` is called once, in file order, and must pass exactly the
/// tensor's bytes to its argument, in as many pieces as it likes. So a data set larger than memory
/// can be packed.
struct TensorToStore {
  std::string name;
  ElementType type;
  std::vector<std::int64_t> shape;
  std::function<void(const std::function<void(std::span<const std::byte>)>& sink)> write;
};

/// Writes a whole file or none (through AtomicFile). The order in the file is by element size,
/// descending, then by name. Throws WorldError (disk full), UserError (no permission, no folder).
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorToStore>& tensors,
                       const Metadata& metadata);

}  // namespace sparse_transformer
