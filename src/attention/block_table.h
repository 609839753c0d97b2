// Pairs of queries and keys that follow no rule, listed block by block: patterns drawn at random or
// read from a file, and what a union leaves over.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sparse_transformer {

/// Which key blocks a query block sees, and which pairs of the two. Memory is proportional to the
/// blocks that have a pair; equal masks are kept once. Position t has the same keys however long
/// the sequence is, and positions from `length` on have none.
class BlockTable {
 public:
  /// A mask is [block, block], query by query; two are always there.
  static constexpr std::int32_t kNone = 0, kFull = 1;

  /// The other block of a pair, and the number of its mask.
  struct Entry {
    std::int32_t block, mask;
    bool operator==(const Entry&) const = default;
  };
  /// For each block the others in ascending order: entries[offsets[b]] … entries[offsets[b + 1] -
  /// 1].
  struct List {
    std::vector<std::int32_t> offsets = {0};
    std::vector<Entry> entries;
    bool operator==(const List&) const = default;
  };

  std::int64_t length() const { return length_; }
  std::int64_t block() const { return block_; }  // positions
  std::int64_t blocks() const { return (length_ + block_ - 1) / block_; }
  /// Heads with lists of their own; the heads of the group take turns.
  std::int64_t heads() const { return static_cast<std::int64_t>(by_query_.size()); }
  bool is_empty() const;

  /// The key blocks of each query block. `head` is counted within the layer.
  const List& by_query(std::int64_t head) const { return by_query_[index(head)]; }
  /// The same pairs, the query blocks of each key block. Masks stay query by query.
  const List& by_key(std::int64_t head) const { return by_key_[index(head)]; }
  /// [masks, block, block], 0 or 1.
  const std::vector<std::uint8_t>& masks() const { return masks_; }

  /// Ascending keys of a position.
  std::vector<std::int64_t> keys(std::int64_t t, std::int64_t head) const;
  std::int64_t count_pairs(std::int64_t n, std::int64_t head) const;
  std::int64_t look_back() const { return look_back_; }

 private:
  friend class BlockTableBuilder;
  BlockTable() = default;

  std::size_t index(std::int64_t head) const {
    return static_cast<std::size_t>((head - first_head_) % heads());
  }
  const std::uint8_t* mask_row(std::int32_t mask, std::int64_t row) const {
    return masks_.data() + (mask * block_ + row) * block_;
  }

  std::int64_t length_ = 0, block_ = 1, first_head_ = 0, look_back_ = 0;
  std::vector<List> by_query_, by_key_;
  std::vector<std::uint8_t> masks_;
};

/// Fills a table pair by pair: head by head, and in each head query by query in ascending order.
class BlockTableBuilder {
 public:
  BlockTableBuilder(std::int64_t length, std::int64_t block, std::int64_t first_head);

  void begin_head();
  /// A pair of the newest head; any order of the keys, each at most once.
  void add(std::int64_t query, std::int64_t key);
  BlockTable finish();

 private:
  /// Lists the blocks of the queries so far and goes on to query block `next`.
  void close_blocks(std::int64_t next);
  std::int32_t mask_number(const std::vector<std::uint8_t>& mask);

  BlockTable table_;
  std::map<std::int64_t, std::vector<std::uint8_t>> open_;  // masks of the newest query block
  std::map<std::string, std::int32_t> known_;               // masks by their bytes
};

}  // namespace sparse_transformer
