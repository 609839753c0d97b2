#include "training/memory_limit.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <limits>
#include <string>

#include "config/errors.h"
#include "model/size.h"
#include "runtime/format.h"

namespace sparse_transformer {

std::int64_t memory_limit() {
  std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  struct sysinfo machine {};
  if (::sysinfo(&machine) == 0) {
    most = std::min<std::uint64_t>(most, (machine.totalram + machine.totalswap) * machine.mem_unit);
  }
  struct rlimit address_space {};
  if (::getrlimit(RLIMIT_AS, &address_space) == 0) {
    most = std::min<std::uint64_t>(most, address_space.rlim_cur);
  }
  return static_cast<std::int64_t>(most);
}

void check_memory(const Settings& settings, c10::Device device) {
  const TrainingSettings& training = settings.training;
  const ModelSize size =
      model_size(settings.model, sequence_layout(settings), training.sequences_at_a_time(),
                 training.average > 0.0, training.computation());
  const std::int64_t weights = size.parameters * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t needed = device.is_cuda() ? weights : size.memory_bytes();
  if (needed <= memory_limit()) return;
  throw UserError(std::string(device.is_cuda() ? "the weights take " : "a training step takes ") +
                  format_bytes(needed) + " of memory, this machine has " +
                  format_bytes(memory_limit()) +
                  " (sparse-transformer inspect shows what takes it; model.layers, model.width, "
                  "data.sequence and training.micro_batch decide)");
}

}  // namespace sparse_transformer
