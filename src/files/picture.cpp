#include "files/picture.h"

#include <string_view>

#include "config/errors.h"
#include "files/jpeg.h"
#include "files/png.h"

namespace sparse_transformer {

Image decode_picture(std::span<const std::byte> bytes, const std::string& name,
                     std::int64_t enough) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\x89PNG\r\n\x1a\n")) return decode_png(bytes, name);
  if (text.starts_with("\xff\xd8\xff")) return decode_jpeg(bytes, name, enough);
  throw UserError(name + (text.empty() ? ": empty" : ": not a picture") + "; expected PNG or JPEG");
}

}  // namespace sparse_transformer
