// The kinds of Tokens that the data sources are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/token_data.h"
#include "files/mapped_file.h"

namespace sparse_transformer {

/// Bytes of a mapped file, or of memory where `file` is null.
struct TokenPiece {
  std::span<const std::byte> bytes;
  const MappedFile* file = nullptr;

  /// Copies bytes [offset, offset + out.size()) to `out`. Throws as MappedFile::read() does.
  void read(std::size_t offset, std::span<std::uint8_t> out) const;
};

/// Pieces of files or memory, one after another as if they were one.
class ConcatenatedTokens : public Tokens {
 public:
  /// `owner` keeps the memory and files of the pieces alive.
  ConcatenatedTokens(std::vector<TokenPiece> pieces, std::shared_ptr<const void> owner);

  std::int64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
  void read(std::int64_t offset, std::span<std::uint8_t> out) const override;
  /// Tokens [begin, end) of these, sharing their memory.
  std::shared_ptr<const ConcatenatedTokens> slice(std::int64_t begin, std::int64_t end) const;

 private:
  std::size_t piece_at(std::int64_t offset) const;

  std::vector<TokenPiece> pieces_;
  std::vector<std::int64_t> ends_;  // where each piece ends, in tokens from the start of the first
  std::shared_ptr<const void> owner_;
};

/// Tokens held by nobody else: small sets, tests.
std::shared_ptr<const ConcatenatedTokens> tokens_in_memory(std::vector<std::uint8_t> tokens);

/// Tokens of several parts, which no sequence crosses.
class PartedTokens : public Tokens {
 public:
  /// `starts` as of part_starts(); throws std::logic_error where they are not.
  PartedTokens(std::shared_ptr<const Tokens> tokens, std::vector<std::int64_t> starts);

  std::int64_t size() const override { return tokens_->size(); }
  void read(std::int64_t offset, std::span<std::uint8_t> out) const override {
    tokens_->read(offset, out);
  }
  std::vector<std::int64_t> part_starts() const override { return starts_; }

 private:
  std::shared_ptr<const Tokens> tokens_;
  std::vector<std::int64_t> starts_;
};

/// Items that exist only while they are read: each is made whole by `read_item`.
class ItemTokens : public Tokens {
 public:
  ItemTokens(std::int64_t count, std::int64_t item_size) : count_(count), item_size_(item_size) {}

  std::int64_t size() const override { return count_ * item_size_; }
  void read(std::int64_t offset, std::span<std::uint8_t> out) const override;

 private:
  /// Fills `item` (item_size tokens) with item `index` in [0, count). Called by many threads.
  virtual void read_item(std::int64_t index, std::span<std::uint8_t> item) const = 0;

  std::int64_t count_, item_size_;
};

}  // namespace sparse_transformer
