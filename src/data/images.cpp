#include "data/images.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/decoding.h"
#include "data/text.h"
#include "files/image.h"
#include "files/picture.h"
#include "files/resize.h"

namespace sparse_transformer {

DataSet open_images(const DataSettings& settings, const DataProgress& progress) {
  DataSet data;
  data.source = "images " + paths_text(settings.path);
  data.format = {.kind = TokenFormat::Kind::kPicture, .shape = settings.picture_shape()};
  data.item_size = settings.sequence_length();
  const auto decode = [&settings, shape = data.format.shape](const InputFile& file,
                                                             const TokenSink& sink) {
    std::vector<std::string> warnings;
    const std::int64_t height = shape[0];
    const std::int64_t width = shape[1];
    Image image = decode_picture(file.bytes, file.name, std::max(height, width), &warnings);
    image = with_channels(std::move(image), shape[2]);
    sink(fit(image, width, height, settings.images.fit).pixels);
    return warnings;
  };
  return open_decoded(settings, std::move(data), decode, progress);
}

}  // namespace sparse_transformer
