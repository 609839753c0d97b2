// What `sample` was asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "generation/token_choice.h"

namespace sparse_transformer {

struct SampleRequest {
  std::filesystem::path model;  // a run or checkpoint
  std::string out;              // a file, or "-" for stdout
  std::vector<std::string> overrides;
  std::int64_t count = 1;
  std::int64_t batch = 16;
  std::int64_t length = 0;  // tokens a sample; 0 = the model's n
  std::int64_t seed = 1;
  TokenChoice choice;
  std::optional<std::filesystem::path> prime;
  double prime_share = 0.5;  // of a picture or sound that primes; the rest is completed
  std::int64_t prime_length =
      0;                  // tokens of the prime to use; 0 = prime_share of it, or all of a text
  bool separate = false;  // pictures: a file each rather than one grid
  bool overwrite = false;
  bool metadata = true;  // settings inside the file
};

/// Draws the samples and writes them: x-1.txt … x-N.txt for several, one grid for pictures. When a
/// signal stops it, the finished ones are written first. Throws UserError where an output exists
/// already or is named as another kind of file, or an option is out of range, all of which is said
/// before the weights are read; WorldError, Interrupted.
void run_sampling(const SampleRequest& request);

}  // namespace sparse_transformer
