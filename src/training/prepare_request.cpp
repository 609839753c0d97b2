#include "training/prepare_request.h"

#include <algorithm>

#include "config/config.h"
#include "config/errors.h"
#include "data/packed.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/progress.h"
#include "runtime/stop.h"
#include "training/settings.h"

namespace sparse_transformer {

void run_preparation(const PrepareRequest& request) {
  const StopSignals stop_signals;
  if (request.files.empty()) throw UserError("prepare: no CONFIG is given");
  if (!request.overwrite && std::filesystem::exists(request.out)) {
    throw UserError(request.out.string() +
                    " exists already; name another --out, or give --overwrite");
  }
  const Settings settings = read_settings(Config(request.files, request.overrides));
  for (const std::string& path : settings.data.path) {
    std::error_code absent;
    if (std::filesystem::equivalent(path, request.out, absent)) {
      throw UserError(request.out.string() + " is among the data to pack; name another --out");
    }
  }
  const DataSet data = open_data(settings.data);
  const std::int64_t total = data.train->size() + data.valid->size() + data.test->size();
  constexpr std::int64_t kLines = 20;
  Progress bar("prepare", 0, total, std::max<std::int64_t>(1, total / kLines));
  pack_data(data, request.out, [&bar](std::int64_t done, std::int64_t /*all*/) {
    throw_if_stopped();
    bar.update(done);
  });
  log_info("wrote " + request.out.string() + ": " + format_count(data.train->size()) +
           " tokens to train, " + format_count(data.valid->size()) + " to validate, " +
           format_count(data.test->size()) +
           " to test; use it with data.source=packed data.path=" + request.out.string());
}

}  // namespace sparse_transformer
