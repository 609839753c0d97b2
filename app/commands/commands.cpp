#include "app/commands/commands.h"

#include <array>

namespace sparse_transformer {

std::span<const Command> commands() {
  static constexpr std::array table = {
      Command{"train", "train a model, or go on with a run", add_train,
              "a smaller training.micro_batch or training.recompute: block needs less"},
      Command{"sample", "draw pictures, music or text from a model", add_sample,
              "a smaller --batch, --count or --length needs less"},
      Command{"evaluate", "bits per byte of a model", add_evaluate,
              "fewer sequences at a time need less: --set training.micro_batch=1 is the fewest"},
      Command{"attention", "draw what trained heads attend to", add_attention,
              "a shorter --prime needs less"},
      Command{"curves", "draw training and validation bits of runs", add_curves},
      Command{"report", "a page of curves, samples and settings of a run", add_report},
      Command{"prepare", "pack a data set into one file", add_prepare},
      Command{"pattern", "draw who attends to whom, and count it", add_pattern},
      Command{"inspect", "parameters, FLOPs a token, memory, tensors", add_inspect},
      Command{"benchmark", "time training steps, sparse against dense", add_benchmark,
              "a smaller training.micro_batch or training.recompute: block needs less"},
      Command{"config", "print the resolved settings, or every setting there is", add_config},
  };
  return table;
}

}  // namespace sparse_transformer
