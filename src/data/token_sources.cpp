#include "data/token_sources.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace sparse_transformer {

namespace {

void check_range(std::int64_t begin, std::int64_t end, std::int64_t size) {
  if (begin < 0 || end < begin || end > size) {
    throw std::logic_error("tokens [" + std::to_string(begin) + ", " + std::to_string(end) +
                           ") of " + std::to_string(size));
  }
}

}  // namespace

void TokenPiece::read(std::size_t offset, std::span<std::uint8_t> out) const {
  if (out.empty()) return;
  const auto part = bytes.subspan(offset, out.size());
  if (file == nullptr) {
    std::memcpy(out.data(), part.data(), part.size());
  } else {
    file->read(part, std::as_writable_bytes(out));
  }
}

ConcatenatedTokens::ConcatenatedTokens(std::vector<TokenPiece> pieces,
                                       std::shared_ptr<const void> owner)
    : pieces_(std::move(pieces)), owner_(std::move(owner)) {
  std::int64_t end = 0;
  for (const TokenPiece& piece : pieces_) {
    end += std::ssize(piece.bytes);
    ends_.push_back(end);
  }
}

std::size_t ConcatenatedTokens::piece_at(std::int64_t offset) const {
  return static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), offset) -
                                  ends_.begin());
}

void ConcatenatedTokens::read(std::int64_t offset, std::span<std::uint8_t> out) const {
  check_range(offset, offset + static_cast<std::int64_t>(out.size()), size());
  for (std::size_t i = piece_at(offset); !out.empty(); ++i) {
    const std::int64_t start = ends_[i] - std::ssize(pieces_[i].bytes);
    const auto rest = static_cast<std::size_t>(ends_[i] - offset);
    const std::size_t count = std::min(rest, out.size());
    pieces_[i].read(static_cast<std::size_t>(offset - start), out.first(count));
    out = out.subspan(count);
    offset = ends_[i];
  }
}

std::shared_ptr<const ConcatenatedTokens> ConcatenatedTokens::slice(std::int64_t begin,
                                                                    std::int64_t end) const {
  check_range(begin, end, size());
  std::vector<TokenPiece> pieces;
  for (std::size_t i = piece_at(begin); begin < end; ++i) {
    const TokenPiece& piece = pieces_[i];
    const std::int64_t start = ends_[i] - std::ssize(piece.bytes);
    const std::int64_t stop = std::min(end, ends_[i]);
    pieces.push_back({piece.bytes.subspan(static_cast<std::size_t>(begin - start),
                                          static_cast<std::size_t>(stop - begin)),
                      piece.file});
    begin = stop;
  }
  return std::make_shared<ConcatenatedTokens>(std::move(pieces), owner_);
}

std::shared_ptr<const ConcatenatedTokens> tokens_in_memory(std::vector<std::uint8_t> tokens) {
  auto owner = std::make_shared<const std::vector<std::uint8_t>>(std::move(tokens));
  std::vector<TokenPiece> pieces = {{.bytes = std::as_bytes(std::span(*owner))}};
  return std::make_shared<ConcatenatedTokens>(std::move(pieces), std::move(owner));
}

PartedTokens::PartedTokens(std::shared_ptr<const Tokens> tokens, std::vector<std::int64_t> starts)
    : tokens_(std::move(tokens)), starts_(std::move(starts)) {
  const bool ascend =
      std::adjacent_find(starts_.begin(), starts_.end(), std::greater_equal<>()) == starts_.end();
  const bool inside = !starts_.empty() && starts_.front() == 0 &&
                      (starts_.back() == 0 || starts_.back() < tokens_->size());
  if (!ascend || !inside) {
    throw std::logic_error("parts that do not begin in order within " +
                           std::to_string(tokens_->size()) + " tokens");
  }
}

void ItemTokens::read(std::int64_t offset, std::span<std::uint8_t> out) const {
  check_range(offset, offset + static_cast<std::int64_t>(out.size()), size());
  std::vector<std::uint8_t> item;
  while (!out.empty()) {
    const auto skipped = static_cast<std::size_t>(offset % item_size_);
    const std::size_t count = std::min(out.size(), static_cast<std::size_t>(item_size_) - skipped);
    if (std::cmp_equal(count, item_size_)) {
      read_item(offset / item_size_, out.first(count));
    } else {
      item.resize(static_cast<std::size_t>(item_size_));
      read_item(offset / item_size_, item);
      std::memcpy(out.data(), item.data() + skipped, count);
    }
    out = out.subspan(count);
    offset += static_cast<std::int64_t>(count);
  }
}

}  // namespace sparse_transformer
