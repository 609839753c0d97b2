// Random numbers for tests, the same each time.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace sparse_transformer {

class RandomNumbers {
 public:
  explicit RandomNumbers(unsigned seed) : generator_(seed) {}

  /// Normal, with mean 0 and this standard deviation.
  std::vector<float> normal(std::size_t count, double deviation = 1.0) {
    std::normal_distribution<double> distribution(0.0, deviation);
    std::vector<float> numbers(count);
    for (float& x : numbers) x = static_cast<float>(distribution(generator_));
    return numbers;
  }

 private:
  std::mt19937 generator_;
};

}  // namespace sparse_transformer
