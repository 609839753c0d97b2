#include <ATen/ATen.h>

#include <algorithm>

#include "generation/decoder.h"
#include "generation/token_source.h"
#include "generation/token_uniform.h"
#include "runtime/stop.h"

namespace sparse_transformer {
namespace {

class HostSource : public TokenSource {
 public:
  HostSource(const Transformer& model, const BatchDraw& batch)
      : batch_(batch),
        position_(std::ssize(batch.prime)),
        decoder_(model, batch.size, batch.length) {}

  at::Tensor draw(std::int64_t /*most*/) override {
    tokens_ = choose(next_logits());
    ++position_;
    return tokens_.unsqueeze(1);
  }

 private:
  at::Tensor next_logits() {
    if (!tokens_.defined()) return decoder_.start(batch_.prime);
    throw_if_stopped();
    return decoder_.step(tokens_);
  }

  /// logits: [batch, 256]. Gives [batch] uint8.
  at::Tensor choose(const at::Tensor& logits) const {
    const at::Tensor rows = logits.to(at::kCPU, at::kDouble).contiguous();
    at::Tensor tokens = at::empty({batch_.size}, at::kByte);
    for (std::int64_t i = 0; i < batch_.size; ++i) {
      const std::span<const double, 256> row(rows.const_data_ptr<double>() + i * 256, 256);
      tokens.data_ptr<std::uint8_t>()[i] =
          token_at(token_probabilities(row, batch_.choice),
                   token_uniform(batch_.seed, batch_.first + i, position_));
    }
    return tokens;
  }

  BatchDraw batch_;
  std::int64_t position_;  // of the next token
  Decoder decoder_;
  at::Tensor tokens_;  // the newest of each sequence, [batch]
};

}  // namespace

std::unique_ptr<TokenSource> host_source(const Transformer& model, const BatchDraw& batch) {
  return std::make_unique<HostSource>(model, batch);
}

}  // namespace sparse_transformer
