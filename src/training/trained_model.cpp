#include "training/trained_model.h"

#include "config/errors.h"
#include "runtime/device.h"
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

}  // namespace

TrainedModel load_trained_model(const std::filesystem::path& named,
                                const std::vector<std::string>& overrides) {
  const Checkpoint checkpoint(find_checkpoint(named, /*best=*/true));
  const std::string origin = (checkpoint.folder() / "config.yaml").string();
  TrainedModel trained{
      .settings = read_settings(Config::from_text(checkpoint.config_yaml(), origin, overrides)),
      .model = nullptr,
      .checkpoint = checkpoint.folder(),
      .step = checkpoint.progress().step,
      .format = checkpoint.progress().format,
      .averaged = checkpoint.has_average()};
  check_model_unchanged(read_settings(Config::from_text(checkpoint.config_yaml(), origin, {})),
                        trained.settings);
  trained.model =
      std::make_unique<Transformer>(trained.settings.model, sequence_layout(trained.settings));
  if (trained.averaged) {
    checkpoint.read_average(trained.model->parameters());
  } else {
    checkpoint.read_model(trained.model->parameters());
  }
  move_parameters(*trained.model, choose_device(trained.settings.training.device));
  return trained;
}

}  // namespace sparse_transformer
