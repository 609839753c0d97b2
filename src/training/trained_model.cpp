#include "training/trained_model.h"

#include <utility>
#include <vector>

#include "config/errors.h"
#include "data/text.h"
#include "files/safetensors.h"
#include "model/size.h"
#include "runtime/device.h"
#include "runtime/stop.h"
#include "training/checked_kernels.h"
#include "training/checkpoint.h"
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
