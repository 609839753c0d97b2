#include "training/trained_model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "config/errors.h"
#include "data/text.h"
#include "files/safetensors.h"
#include "model/size.h"
#include "runtime/device.h"
#include "runtime/log.h"
#include "runtime/stop.h"
#include "training/checked_kernels.h"
#include "training/checkpoint.h"
#include "training/data_identity.h"
#include "training/run_folder.h"

namespace sparse_transformer {
namespace {

void check_model_unchanged(const Settings& stored, const Settings& settings) {
  for (const SettingDifference& difference : settings_differences(stored, settings)) {
    if (difference.key.starts_with("model.")) {
      throw UserError("--set " + difference.key + "=" + difference.after +
                      ": the checkpoint's model was trained with " + difference.before);
    }
  }
}

/// Throws UserError where the file has not the tensors of the settings' model. Only its header is
/// read, before anything as large as the settings say is allocated.
void check_shapes(const std::filesystem::path& file, const Settings& settings) {
  const SafetensorsFile stored(file);
  for (const TensorShape& shape : parameter_shapes(settings.model, sequence_layout(settings))) {
    const std::vector<std::int64_t>& found = stored.tensor(shape.name).shape;
    if (found == shape.sizes) continue;
    throw UserError(file.string() + ": tensor " + shape.name + " has the shape " +
                    shape_text(found) + ", the model's is " + shape_text(shape.sizes));
  }
}

}  // namespace

TrainedModel find_trained_model(const std::filesystem::path& named,
                                const std::vector<std::string>& overrides) {
  const std::filesystem::path folder = find_checkpoint(named);
  const CheckpointState state = read_state(folder);
  const std::string origin = (folder / "config.yaml").string();
  Config config = Config::from_text(state.config_yaml, origin, overrides);
  const Settings settings = read_settings(config);
  check_model_unchanged(read_settings(Config::from_text(state.config_yaml, origin, {})), settings);
  return {.config = std::move(config),
          .settings = settings,
          .model = nullptr,
          .checkpoint = folder,
          .step = state.progress.step,
          .format = state.progress.format,
          .data_hash = state.progress.data_hash};
}

void warn_of_other_data(const TrainedModel& trained, const DataSet& data,
                        const std::vector<std::string>& overrides) {
  if (are_same_data(trained.data_hash, data, hash_of(data))) return;
  const bool is_asked_for =
      std::any_of(overrides.begin(), overrides.end(),
                  [](const std::string& setting) { return setting.starts_with("data."); });
  const std::string what =
      data.source + " is not what " + trained.checkpoint.string() + " was trained on";
  if (is_asked_for) {
    log_info(what + ", as --set asks for");
  } else {
    log_warning(what + ": it has changed since, and what is read may have been trained on");
  }
}

void load_weights(TrainedModel& trained) {
  const Checkpoint checkpoint(trained.checkpoint, throw_if_stopped);
  check_shapes(checkpoint.folder() / "model.safetensors", trained.settings);
  const c10::Device device = choose_device(trained.settings.training.device);
  trained.model =
      std::make_unique<Transformer>(trained.settings.model, sequence_layout(trained.settings),
                                    checked_computation(trained.settings, device));
  trained.model->compute_by(checkpoint.progress().kernels);
  trained.averaged = checkpoint.has_average();
  if (trained.averaged) {
    checkpoint.read_average(trained.model->parameters());
  } else {
    checkpoint.read_model(trained.model->parameters());
  }
  move_parameters(*trained.model, device);
}

}  // namespace sparse_transformer
