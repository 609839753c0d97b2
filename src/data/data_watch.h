// Notices that data change while a run reads them.
#pragma once

#include <optional>
#include <string>

#include "data/token_data.h"

namespace sparse_transformer {

/// The files of these paths as they are now: of more than 1,024 that many, evenly spread.
std::vector<FileStamp> stamp_files(const std::vector<std::string>& paths,
                                   const DataProgress& progress);

/// Compares sizes and times of the data's files, and a sample of their tokens, with those at its
/// construction: 1,024 calls of the system and 200 KiB at most.
class DataWatch {
 public:
  /// `data` must outlive it.
  explicit DataWatch(const DataSet& data);

  /// The first difference found, as "book.txt had 24,000 bytes and has 8,000"; nothing where there
  /// is none. Throws UnreadableInput as Tokens::read() does.
  std::optional<std::string> change() const;

 private:
  const DataSet& data_;
  std::string sample_;  // a hash
};

}  // namespace sparse_transformer
