#include "data/data_watch.h"

#include <sys/stat.h>

#include <algorithm>
#include <span>
#include <vector>

#include "files/input_files.h"
#include "files/sha256.h"

namespace sparse_transformer {

namespace {

constexpr std::size_t kMostFiles = 1024;

/// Nothing where the file cannot be looked at.
std::optional<FileStamp> stamp(const std::string& path) {
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return FileStamp{.path = path,
                   .size = status.st_size,
                   .modified = status.st_mtim.tv_sec * kNanoseconds + status.st_mtim.tv_nsec};
}

std::optional<std::string> difference(const FileStamp& before) {
  const auto now = stamp(before.path);
  if (!now) return before.path + " has been removed";
  if (now->size != before.size) {
    return before.path + " had " + std::to_string(before.size) + " bytes and has " +
           std::to_string(now->size);
  }
  if (now->modified != before.modified) return before.path + " has been written to";
  return std::nullopt;
}

std::string hash_of_sample(const DataSet& data) {
  constexpr std::int64_t kBlocks = 16;
  constexpr std::int64_t kBlock = 4096;
  Sha256 hash;
  std::vector<std::uint8_t> block;
  for (const Tokens* tokens : {data.train.get(), data.valid.get(), data.test.get()}) {
    block.resize(static_cast<std::size_t>(std::min(kBlock, tokens->size())));
    for (std::int64_t i = 0; i < kBlocks; ++i) {
      tokens->read((tokens->size() - std::ssize(block)) / (kBlocks - 1) * i, block);
      hash.update(std::as_bytes(std::span(block)));
    }
  }
  return hash.hex();
}

}  // namespace

std::vector<FileStamp> stamp_files(const std::vector<std::string>& paths,
                                   const DataProgress& progress) {
  const std::vector<std::string> files = list_files(paths, progress);
  const std::size_t count = std::min(files.size(), kMostFiles);
  std::vector<FileStamp> stamps;
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto found = stamp(files[i * files.size() / count])) stamps.push_back(*found);
  }
  return stamps;
}

DataWatch::DataWatch(const DataSet& data) : data_(data), sample_(hash_of_sample(data)) {}

std::optional<std::string> DataWatch::change() const {
  for (const FileStamp& before : data_.files) {
    if (auto found = difference(before)) return found;
  }
  if (hash_of_sample(data_) != sample_) return data_.source + " has other bytes";
  return std::nullopt;
}

}  // namespace sparse_transformer
