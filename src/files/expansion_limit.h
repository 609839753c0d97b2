// A bound on what one file may become, so that a small one made to fill the disk does not.
#pragma once

#include <cstddef>
#include <string>

namespace sparse_transformer {

/// Counts what a file is expanded or decoded to. A file may grow to kGrowth times its size: texts
/// compressed well grow 20-fold, a song as MP3 30-fold, zeros compressed by gzip 1,000-fold and by
/// others without end. What stays below kAlwaysFine is never refused.
class ExpansionLimit {
 public:
  static constexpr std::size_t kGrowth = 250;
  static constexpr std::size_t kAlwaysFine = std::size_t{256} << 20;  // bytes

  /// `size` is the file's, in bytes; `name` is for the error.
  ExpansionLimit(std::string name, std::size_t size);

  /// Throws UserError where these bytes are too many. To be called before they are written.
  void add(std::size_t bytes);

 private:
  std::string name_;
  std::size_t size_;
  std::size_t left_;
};

}  // namespace sparse_transformer
