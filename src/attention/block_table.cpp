#include "attention/block_table.h"

#include <algorithm>
#include <utility>

namespace sparse_transformer {
namespace {

/// The pairs of `list` seen from the other side.
BlockTable::List transposed(const BlockTable::List& list) {
  const std::size_t blocks = list.offsets.size() - 1;
  BlockTable::List result;
  result.offsets.assign(blocks + 1, 0);
  result.entries.resize(list.entries.size());
  for (const BlockTable::Entry& entry : list.entries) {
    ++result.offsets[static_cast<std::size_t>(entry.block) + 1];
  }
  for (std::size_t b = 0; b < blocks; ++b) result.offsets[b + 1] += result.offsets[b];
  std::vector<std::int32_t> next = result.offsets;
  for (std::size_t b = 0; b < blocks; ++b) {
    for (std::int32_t e = list.offsets[b]; e < list.offsets[b + 1]; ++e) {
      const auto [other, mask] = list.entries[static_cast<std::size_t>(e)];
      const std::int32_t place = next[static_cast<std::size_t>(other)]++;
      result.entries[static_cast<std::size_t>(place)] = {static_cast<std::int32_t>(b), mask};
    }
  }
  return result;
}

}  // namespace

bool BlockTable::is_empty() const {
  return std::all_of(by_query_.begin(), by_query_.end(),
                     [](const List& list) { return list.entries.empty(); });
}

std::vector<std::int64_t> BlockTable::keys(std::int64_t t, std::int64_t head) const {
  std::vector<std::int64_t> result;
  if (t >= length_) return result;
  const List& list = by_query(head);
  const auto row = static_cast<std::size_t>(t / block_);
  for (std::int32_t e = list.offsets[row]; e < list.offsets[row + 1]; ++e) {
    const auto [other, mask] = list.entries[static_cast<std::size_t>(e)];
    const std::uint8_t* sees = mask_row(mask, t % block_);
    for (std::int64_t k = 0; k < block_; ++k) {
      if (sees[k] != 0) result.push_back(other * block_ + k);
    }
  }
  return result;
}

std::int64_t BlockTable::count_pairs(std::int64_t n, std::int64_t head) const {
  const List& list = by_query(head);
  std::int64_t pairs = 0;
  for (std::int64_t row = 0; row < std::min(blocks(), (n + block_ - 1) / block_); ++row) {
    const std::int64_t queries = std::min(block_, n - row * block_);
    for (auto e = list.offsets[static_cast<std::size_t>(row)];
         e < list.offsets[static_cast<std::size_t>(row) + 1]; ++e) {
      const std::uint8_t* mask = mask_row(list.entries[static_cast<std::size_t>(e)].mask, 0);
      pairs += std::count(mask, mask + queries * block_, std::uint8_t{1});
    }
  }
  return pairs;
}

BlockTableBuilder::BlockTableBuilder(std::int64_t length, std::int64_t block,
                                     std::int64_t first_head) {
  table_.length_ = length;
  table_.block_ = block;
  table_.first_head_ = first_head;
  const auto size = static_cast<std::size_t>(block * block);
  mask_number(std::vector<std::uint8_t>(size, 0));
  mask_number(std::vector<std::uint8_t>(size, 1));
}

void BlockTableBuilder::begin_head() {
  if (!table_.by_query_.empty()) close_blocks(table_.blocks());
  table_.by_query_.emplace_back();
}

void BlockTableBuilder::add(std::int64_t query, std::int64_t key) {
  const std::int64_t block = table_.block_;
  const std::int64_t row = query / block;
  if (std::cmp_greater_equal(row, table_.by_query_.back().offsets.size())) close_blocks(row);
  auto& mask = open_[key / block];
  if (mask.empty()) mask.resize(static_cast<std::size_t>(block * block), 0);
  mask[static_cast<std::size_t>(query % block * block + key % block)] = 1;
  table_.look_back_ = std::max(table_.look_back_, query - key);
}

BlockTable BlockTableBuilder::finish() {
  close_blocks(table_.blocks());
  auto& lists = table_.by_query_;
  const bool all_alike = std::all_of(lists.begin(), lists.end(), [&](const BlockTable::List& list) {
    return list == lists.front();
  });
  if (all_alike) lists.resize(1);
  for (const BlockTable::List& list : lists) table_.by_key_.push_back(transposed(list));
  return std::move(table_);
}

void BlockTableBuilder::close_blocks(std::int64_t next) {
  BlockTable::List& list = table_.by_query_.back();
  for (const auto& [block, mask] : open_) {
    list.entries.push_back({static_cast<std::int32_t>(block), mask_number(mask)});
  }
  open_.clear();
  list.offsets.resize(static_cast<std::size_t>(next) + 1,
                      static_cast<std::int32_t>(list.entries.size()));
}

std::int32_t BlockTableBuilder::mask_number(const std::vector<std::uint8_t>& mask) {
  const auto [known, is_new] = known_.try_emplace(std::string(mask.begin(), mask.end()),
                                                  static_cast<std::int32_t>(known_.size()));
  if (is_new) table_.masks_.insert(table_.masks_.end(), mask.begin(), mask.end());
  return known->second;
}

}  // namespace sparse_transformer
