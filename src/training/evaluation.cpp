#include "training/evaluation.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "config/errors.h"
#include "config/words.h"
#include "data/batches.h"
#include "model/token_loss.h"

namespace sparse_transformer {
namespace {

/// Windows [first, first + count), which have one length, as [count, length] uint8.
at::Tensor read_windows(const Tokens& tokens, const EvaluationWindow* windows, std::int64_t count) {
  const std::int64_t length = windows->end - windows->begin;
  at::Tensor result = at::empty({count, length}, at::kByte);
  for (std::int64_t i = 0; i < count; ++i) {
    tokens.read(windows[i].begin,
                {result.data_ptr<std::uint8_t>() + i * length, static_cast<std::size_t>(length)});
  }
  return result;
}

/// Nats of the scored tokens, summed in float64.
double score(const Transformer& model, const at::Tensor& tokens, std::int64_t score_from) {
  const at::Tensor on_device = tokens.to(model.device());
  return token_nats(model.forward(on_device), on_device, model.computation().kernels)
      .narrow(1, score_from, tokens.size(1) - score_from)
      .sum(at::kDouble)
      .item<double>();
}

}  // namespace

void check_evaluation(const DataSet& data, Split split, std::int64_t length,
                      std::int64_t min_context) {
  if (data.split(split).size() == 0) {
    throw UserError("the " + word_of(kSplitWords, split) + " split of " + data.source +
                    " is empty: choose another --split, or give it a share in data.split");
  }
  if (min_context >= length || min_context < 0) {
    throw UserError("--min-context " + std::to_string(min_context) +
                    ": must be at least 0 and below the model's sequence of " +
                    std::to_string(length));
  }
  if (min_context > 0 && !data.is_stream()) {
    throw UserError("--min-context is for streams; the items of " + data.source +
                    " are scored whole");
  }
}

EvaluationResult evaluate(
    const Transformer& model, const DataSet& data, Split split, const EvaluationSettings& settings,
    const std::function<void(std::int64_t done, std::int64_t total)>& progress) {
  const at::NoGradGuard no_grad;
  const Tokens& tokens = data.split(split);
  check_evaluation(data, split, model.layout().length, settings.min_context);
  const std::vector<EvaluationWindow> windows = evaluation_windows(
      tokens, data.item_size, model.layout().length, settings.min_context, settings.limit);
  const auto total = static_cast<std::int64_t>(windows.size());

  EvaluationResult result;
  double nats = 0.0;
  for (std::int64_t first = 0; first < total;) {
    const EvaluationWindow& window = windows[static_cast<std::size_t>(first)];
    const auto alike = [&](const EvaluationWindow& other) {
      return other.end - other.begin == window.end - window.begin &&
             other.score_from - other.begin == window.score_from - window.begin;
    };
    std::int64_t count = 1;
    while (count < settings.batch && first + count < total &&
           alike(windows[static_cast<std::size_t>(first + count)])) {
      ++count;
    }
    nats += score(model, read_windows(tokens, &window, count), window.score_from - window.begin);
    result.tokens += count * (window.end - window.score_from);
    first += count;
    progress(first, total);
  }
  if (!std::isfinite(nats)) {
    throw WorldError("the loss on the " + word_of(kSplitWords, split) +
                     " split is not finite: these weights have diverged");
  }
  result.examples = total;
  result.bits = nats / std::numbers::ln2 / static_cast<double>(result.tokens);
  return result;
}

}  // namespace sparse_transformer
