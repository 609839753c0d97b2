// CIFAR-10 in its binary format (Krizhevsky, "Learning multiple layers of features from tiny
// images", 2009): files of records of one label byte, 0-9, and 3 × 1,024 bytes: the red, green and
// blue plane of a picture of 32×32, each row by row.
#pragma once

#include <cstdint>
#include <vector>

#include "data/data_settings.h"
#include "data/token_data.h"

namespace sparse_transformer {

/// 32, 32, 3.
const std::vector<std::int64_t>& cifar10_shape();

/// data_batch_1.bin … data_batch_5.bin and test_batch.bin, in a folder or an archive, mapped.
/// Tokens are red, green, blue of one pixel after another, row by row; labels are not used.
///
/// Test is test_batch. Validation is 0.04 of the training pictures unless settings.split.valid says
/// otherwise: those that a fixed keyed permutation of the pictures (permutation.h) puts first, so
/// always the same ones, and of every batch. Training and validation keep the order of the files.
///
/// Throws UserError naming the file: missing, empty, cut within a record, a label above 9.
DataSet open_cifar10(const DataSettings& settings, const DataProgress& progress = {});

}  // namespace sparse_transformer
