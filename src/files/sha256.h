// SHA-256, which tells whether two files or data sets are the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace sparse_transformer {

/// A hash over bytes that come piece by piece.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&& other) noexcept;
  Sha256& operator=(Sha256&& other) noexcept;
  ~Sha256();

  void update(std::span<const std::byte> bytes);
  /// The hash of all bytes so far: 64 lower-case hexadecimal digits.
  std::string hex() const;
  /// Its first eight bytes as a number: to tell items apart in memory.
  std::uint64_t number() const;

 private:
  std::array<std::uint8_t, 32> bytes() const;

  struct State;
  std::unique_ptr<State> state_;
};

/// The hash of a file's content. Calls `tick` after each MiB; what it throws comes through. Throws
/// UserError naming the path.
std::string sha256_of_file(const std::filesystem::path& path,
                           const std::function<void()>& tick = {});

}  // namespace sparse_transformer
