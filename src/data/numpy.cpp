#include "data/numpy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "data/damage.h"
#include "data/parallel.h"
#include "data/planes.h"
#include "data/splits.h"
#include "data/text.h"
#include "data/token_sources.h"
#include "files/input_files.h"
#include "files/numpy.h"
#include "files/sha256.h"

namespace sparse_transformer {

namespace {

namespace fs = std::filesystem;
using Shape = std::vector<std::int64_t>;

/// One picture of an array.
struct Picture {
  TokenPiece stored;
  bool planar;
};

void read_picture(const Picture& picture, std::size_t channels, std::span<std::uint8_t> tokens) {
  if (!picture.planar) return picture.stored.read(0, tokens);
  std::vector<std::uint8_t> planes(tokens.size());
  picture.stored.read(0, planes);
  interleave(std::as_bytes(std::span(planes)), channels, tokens);
}

/// The pictures of all arrays, and the files that hold them.
struct Pictures {
  std::vector<Picture> pictures;
  std::vector<std::shared_ptr<const void>> storage;
};

class NumpyTokens : public ItemTokens {
 public:
  NumpyTokens(const Pictures& all, const std::vector<std::size_t>& chosen, const Shape& shape)
      : ItemTokens(std::ssize(chosen), shape[0] * shape[1] * shape[2]),
        channels_(static_cast<std::size_t>(shape[2])),
        storage_(all.storage) {
    pictures_.reserve(chosen.size());
    for (const std::size_t index : chosen) pictures_.push_back(all.pictures[index]);
  }

 private:
  void read_item(std::int64_t index, std::span<std::uint8_t> item) const override {
    read_picture(pictures_[static_cast<std::size_t>(index)], channels_, item);
  }

  std::size_t channels_;
  std::vector<Picture> pictures_;
  std::vector<std::shared_ptr<const void>> storage_;
};

enum class Layout { kNone, kPixels, kPlanes, kRows };

/// How an array holds pictures of this shape.
Layout layout_of(const NumpyArray& array, const Shape& shape) {
  if (!array.is_uint8() || array.shape.empty()) return Layout::kNone;
  const Shape item(array.shape.begin() + 1, array.shape.end());
  const bool is_grey = shape[2] == 1;
  if (item == shape || (is_grey && item == Shape{shape[0], shape[1]})) return Layout::kPixels;
  if (item == Shape{shape[2], shape[0], shape[1]}) return Layout::kPlanes;
  return item == Shape{shape[0] * shape[1] * shape[2]} ? Layout::kRows : Layout::kNone;
}

/// One entry of an archive, or a file of its own.
struct NamedArray {
  std::string name;  // "data" of x.npz/data.npy
  NumpyArray array;
};

/// What the arrays should have been, for messages.
std::string expected_text(const Shape& shape) {
  return "expected uint8 [N, " + std::to_string(shape[0] * shape[1] * shape[2]) +
         "], or as many in three dimensions, for data.shape " + shape_text(shape);
}

/// The array of an archive that holds its pictures: `data`, else the only one that fits.
const NamedArray& array_with_pictures(const std::vector<NamedArray>& arrays, const Shape& shape,
                                      const std::string& file) {
  const NamedArray* found = nullptr;
  std::string names;
  for (const NamedArray& named : arrays) {
    names += (names.empty() ? "" : ", ") + named.name + ' ' + named.array.description();
    if (layout_of(named.array, shape) == Layout::kNone) continue;
    if (named.name == "data") return named;
    if (found != nullptr) {
      throw UserError(file + ": " + found->name + " and " + named.name +
                      " both fit; expected one array, or one named `data`");
    }
    found = &named;
  }
  if (found == nullptr) throw UserError(file + ": has " + names + "; " + expected_text(shape));
  return *found;
}

bool has_labels(const std::vector<NamedArray>& arrays) {
  return std::any_of(arrays.begin(), arrays.end(),
                     [](const NamedArray& named) { return named.name == "labels"; });
}

bool is_planar(const NamedArray& chosen, const std::vector<NamedArray>& arrays,
               const DataSettings& settings, const Shape& shape) {
  const Layout layout = layout_of(chosen.array, shape);
  if (layout != Layout::kRows) return layout == Layout::kPlanes;
  if (settings.numpy.layout != NumpyLayout::kAuto) {
    return settings.numpy.layout == NumpyLayout::kPlanar;
  }
  return chosen.name == "data" && has_labels(arrays);
}

/// The arrays of an archive's entries, or of a file of its own. What else lies in an archive, and
/// what is wrong with it, does not matter.
std::vector<NamedArray> arrays_of(std::span<const InputFile> entries) {
  std::vector<NamedArray> arrays;
  for (const InputFile& entry : entries) {
    if (is_archive(entry)) {
      throw UserError(entry.name + ": an archive within an archive; unpack the outer one");
    }
    const std::string name = fs::path(entry.name).stem().string();
    try {
      entry.storage->parse([&] { arrays.push_back({name, read_numpy(entry.bytes, entry.name)}); });
    } catch (const UserError&) {
      if (entries.size() == 1 || name == "data") throw;
    }
  }
  return arrays;
}

/// From the entries of one archive, or a file of its own.
void add_pictures(std::span<const InputFile> entries, const DataSettings& settings,
                  const Shape& shape, Pictures& all) {
  const fs::path first = entries.front().name;
  const fs::path file = entries.size() == 1 ? first : first.parent_path();
  const std::vector<NamedArray> arrays = arrays_of(entries);
  const NamedArray& chosen = array_with_pictures(arrays, shape, file.string());
  if (chosen.array.bytes.empty()) throw UserError(file.string() + ": an array of no pictures");
  const bool planar = is_planar(chosen, arrays, settings, shape);
  const auto size = static_cast<std::size_t>(settings.sequence_length());
  for (auto unread = chosen.array.bytes; !unread.empty(); unread = unread.subspan(size)) {
    all.pictures.push_back({{unread.first(size), entries.front().storage.get()}, planar});
  }
  all.storage.push_back(entries.front().storage);
}

Pictures read_pictures(const std::vector<std::string>& paths, const DataSettings& settings,
                       const Shape& shape, DataSet& data, const DataProgress& progress) {
  std::vector<SkippedFile> skipped;
  const auto attempt = [&](const std::string& name, const auto& body) {
    const auto fault = fault_of(settings.damaged, body);
    if (fault) skipped.push_back({name, *fault});
  };
  std::vector<InputFile> files;
  for (const PendingInput& file : list_inputs(paths, progress, &data.warnings)) {
    attempt(file.name, [&] { files.push_back(file.open()); });
  }
  Pictures all;
  for (auto first = files.begin(); first != files.end();) {
    const auto end = std::find_if(first, files.end(), [&](const InputFile& file) {
      return file.storage != first->storage;  // an archive's entries share it
    });
    attempt(first->name, [&] { add_pictures({first, end}, settings, shape, all); });
    first = end;
  }
  if (all.pictures.empty()) throw UserError(skipped.front().reason);
  std::move(skipped.begin(), skipped.end(), std::back_inserter(data.skipped));
  return all;
}

/// As decoding.h has it: of the tokens, so that the layout does not matter.
std::vector<std::uint64_t> hashes_of(const Pictures& all, const Shape& shape,
                                     const DataProgress& progress) {
  const auto size = static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
  std::vector<std::vector<std::uint8_t>> tokens(threads_for(all.pictures.size()),
                                                std::vector<std::uint8_t>(size));
  std::vector<std::uint64_t> hashes(all.pictures.size());
  in_parallel(
      hashes.size(),
      [&](std::size_t thread, std::size_t index) {
        read_picture(all.pictures[index], static_cast<std::size_t>(shape[2]), tokens[thread]);
        Sha256 hash;
        hash.update(std::as_bytes(std::span(tokens[thread])));
        hashes[index] = hash.number();
      },
      progress);
  return hashes;
}

}  // namespace

DataSet open_numpy(const DataSettings& settings, const DataProgress& progress) {
  const Shape shape = settings.picture_shape();
  DataSet data;
  data.source = "numpy " + paths_text(settings.path);
  data.format = {.kind = TokenFormat::Kind::kPicture, .shape = shape};
  data.item_size = settings.sequence_length();
  const Pictures all = read_pictures(settings.path, settings, shape, data, progress);
  const DealtItems dealt = deal_items(settings.split, hashes_of(all, shape, progress), data.source);
  const auto split = [&](const NumberOrPaths& size, const std::vector<std::size_t>& items) {
    const std::vector<std::string> paths = split_paths(size);
    if (paths.empty()) return std::make_shared<const NumpyTokens>(all, items, shape);
    const Pictures own = read_pictures(paths, settings, shape, data, progress);
    std::vector<std::size_t> every(own.pictures.size());
    std::iota(every.begin(), every.end(), std::size_t{0});
    return std::make_shared<const NumpyTokens>(own, every, shape);
  };
  data.train = std::make_shared<const NumpyTokens>(all, dealt.train, shape);
  data.valid = split(settings.split.valid, dealt.valid);
  data.test = split(settings.split.test, dealt.test);
  return data;
}

}  // namespace sparse_transformer
