#include "model/embedding.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

namespace sparse_transformer {
namespace {

constexpr std::int64_t kVocabulary = 256;

}  // namespace

Embedding::Embedding(std::int64_t width, SequenceLayout layout, double dropout)
    : layout_(std::move(layout)),
      dropout_(dropout),
      token_(at::empty({kVocabulary, width})),
      start_(at::empty({width})) {
  for (const std::int64_t size : layout_.axes) position_.push_back(at::empty({size, width}));
}

at::Tensor Embedding::forward(const at::Tensor& tokens, std::int64_t multiple,
                              const DropoutPlace* dropout_place) const {
  const std::int64_t batch = tokens.size(0);
  const std::int64_t length = tokens.size(1);
  const std::int64_t padding = (multiple - length % multiple) % multiple;
  std::vector<at::Tensor> parts = {start_.expand({batch, 1, start_.size(0)})};
  if (length > 1) {
    const at::Tensor read = tokens.narrow(1, 0, length - 1).to(at::kLong);
    at::Tensor sum = drop(at::embedding(token_, read), dropout_place, kTokenSite);
    std::int64_t site = kPositionSite;
    for (const at::Tensor& position : positions(0, length - 1)) {
      sum = sum + drop(position.expand_as(sum), dropout_place, site--);
    }
    parts.push_back(sum);
  }
  if (padding > 0) parts.push_back(at::zeros({batch, padding, start_.size(0)}, start_.options()));
  return at::cat(parts, 1);
}

at::Tensor Embedding::step(const at::Tensor& previous, std::int64_t position,
                           std::int64_t batch) const {
  if (position == 0) return start_.expand({batch, 1, start_.size(0)});
  at::Tensor sum = at::embedding(token_, previous.to(at::kLong).unsqueeze(1));
  for (const at::Tensor& rows : positions(position - 1, 1)) sum = sum + rows;
  return sum;
}

void Embedding::collect(NamedTensors& parameters) const {
  parameters.push_back({"embedding.token.weight", token_});
  for (std::size_t i = 0; i < position_.size(); ++i) {
    parameters.push_back({"embedding.position." + std::to_string(i) + ".weight", position_[i]});
  }
  parameters.push_back({"embedding.start", start_});
}

std::vector<at::Tensor> Embedding::positions(std::int64_t first, std::int64_t count) const {
  const auto options = at::TensorOptions().dtype(at::kLong).device(token_.device());
  at::Tensor index = at::arange(first, first + count, options);
  std::vector<at::Tensor> embeddings(position_.size());
  for (std::size_t i = position_.size(); i-- > 0;) {
    embeddings[i] = at::embedding(position_[i], index.remainder(layout_.axes[i]));
    index = index.floor_divide(layout_.axes[i]);
  }
  return embeddings;
}

at::Tensor Embedding::drop(const at::Tensor& x, const DropoutPlace* dropout_place,
                           std::int64_t site) const {
  if (dropout_place == nullptr) return x;
  DropoutPlace place = *dropout_place;
  place.site = site;
  return dropout(x, dropout_, place);
}

}  // namespace sparse_transformer
