#include "model/embedding.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "model/lookup.h"

namespace sparse_transformer {
namespace {

constexpr std::int64_t kVocabulary = 256;

}  // namespace

Embedding::Embedding(const ModelSettings& settings, SequenceLayout layout,
                     const Computation& computation)
    : layout_(std::move(layout)),
      computation_(computation),
      dropout_(settings.embedding_dropout),
      token_(at::empty({kVocabulary, settings.width})),
      start_(at::empty({settings.width})) {
  const std::int64_t width = settings.width;
  for (const std::int64_t size : layout_.axes) position_.push_back(at::empty({size, width}));
  for (const AugmentationKind kind : told_kinds(settings.augmentation)) {
    augmentation_.push_back({kind, at::empty({forms_of(kind) - 1, width})});
  }
}

at::Tensor Embedding::forward(const at::Tensor& tokens, std::int64_t multiple,
                              const DropoutPlace* dropout_place, const Shown* shown) const {
  const std::int64_t batch = tokens.size(0);
  const std::int64_t length = tokens.size(1);
  const std::int64_t padding = (multiple - length % multiple) % multiple;
  std::vector<at::Tensor> parts = {start(batch, shown)};
  if (length > 1) {
    const at::Tensor read = tokens.narrow(1, 0, length - 1).to(at::kLong);
    const at::Tensor places = shown == nullptr ? at::arange(length - 1, read.options())
                                               : shown->positions.narrow(1, 0, length - 1);
    at::Tensor sum = drop(lookup(token_, read), dropout_place, kTokenSite);
    std::int64_t site = kPositionSite;
    for (const at::Tensor& position : positions(places)) {
      sum = sum + drop(position.expand_as(sum), dropout_place, site--);
    }
    parts.push_back(sum);
  }
  if (padding > 0) parts.push_back(at::zeros({batch, padding, start_.size(0)}, start_.options()));
  return at::cat(parts, 1);
}

at::Tensor Embedding::step(const at::Tensor& previous, std::int64_t position,
                           std::int64_t batch) const {
  if (position == 0) return start(batch, nullptr);
  return step(previous, at::full({1}, position - 1, previous.options().dtype(at::kLong)));
}

at::Tensor Embedding::step(const at::Tensor& previous, const at::Tensor& place) const {
  at::Tensor sum = lookup(token_, previous.to(at::kLong).unsqueeze(1));
  for (const at::Tensor& rows : positions(place)) sum = sum + rows;
  return sum;
}

void Embedding::collect(NamedTensors& parameters) const {
  parameters.push_back({"embedding.token.weight", token_});
  for (std::size_t i = 0; i < position_.size(); ++i) {
    parameters.push_back({"embedding.position." + std::to_string(i) + ".weight", position_[i]});
  }
  parameters.push_back({"embedding.start", start_});
  for (const Table& table : augmentation_) {
    parameters.push_back({augmentation_name(table.kind), table.weight});
  }
}

at::Tensor Embedding::start(std::int64_t batch, const Shown* shown) const {
  at::Tensor sum = start_.expand({batch, 1, start_.size(0)});
  if (shown == nullptr) return sum;
  for (const Table& table : augmentation_) {
    const at::Tensor unchanged = at::zeros({1, start_.size(0)}, start_.options());
    const at::Tensor form = shown->forms.select(1, static_cast<std::int64_t>(table.kind));
    sum = sum + lookup(at::cat({unchanged, table.weight}), form).unsqueeze(1);
  }
  return sum;
}

std::vector<at::Tensor> Embedding::positions(at::Tensor index) const {
  std::vector<at::Tensor> embeddings(position_.size());
  for (std::size_t i = position_.size(); i-- > 0;) {
    embeddings[i] = lookup(position_[i], index.remainder(layout_.axes[i]));
    index = index.floor_divide(layout_.axes[i]);
  }
  return embeddings;
}

at::Tensor Embedding::drop(const at::Tensor& x, const DropoutPlace* dropout_place,
                           std::int64_t site) const {
  if (dropout_place == nullptr) return x;
  DropoutPlace place = *dropout_place;
  place.site = site;
  return dropout(x, dropout_, place, computation_.rows());
}

}  // namespace sparse_transformer
