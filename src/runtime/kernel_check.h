// Results of fast kernels beside those of plain operations, on the device that computes with them.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sparse_transformer {

/// Says by how much results differ from what plain operations give in float32, or nothing where
/// rounding explains it: of intermediate numbers and results to the type of the results. Each
/// tensor is compared by itself, by |result - plain| / |plain|.
std::optional<std::string> difference(const std::vector<at::Tensor>& result,
                                      const std::vector<at::Tensor>& plain);

/// What is tried on a device.
struct DeviceTrial {
  std::string name;                   // "attention of local: own"
  std::string way_around;             // an option that leaves it out
  std::function<void()> synchronise;  // waits for the device, and throws if that is in an error
};

/// Runs it and returns its complaint, or the first line of the message of what it throws. Throws
/// Interrupted, and WorldError if the device is left in an error, because all later work would fail
/// too.
std::optional<std::string> complaint_of(const DeviceTrial& trial,
                                        const std::function<std::optional<std::string>()>& run);

/// One kernel with its gradient on a small random case.
struct KernelCheck {
  std::string name;  // "layer norm"
  std::function<std::vector<at::Tensor>()> compute;
  std::function<std::vector<at::Tensor>()> plain;  // the same by plain operations, in float32
};

/// Whether all of them are right. Warns of those that are not, with `instead`, which says what
/// computes now: "plain operations compute norms". Logs a detail for each that is. Throws as
/// complaint_of() does.
bool are_right(const std::vector<KernelCheck>& checks, const std::string& instead);

}  // namespace sparse_transformer
