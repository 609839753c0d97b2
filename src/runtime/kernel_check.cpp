#include "runtime/kernel_check.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>

#include "config/errors.h"
#include "runtime/format.h"
#include "runtime/log.h"
#include "runtime/timing.h"

namespace sparse_transformer {
namespace {

double relative_error(const at::Tensor& result, const at::Tensor& plain) {
  return ((result.to(at::kFloat) - plain).norm() / plain.norm()).item<double>();
}

/// The largest, or NaN where one is NaN.
double largest_error(const std::vector<at::Tensor>& result, const std::vector<at::Tensor>& plain) {
  double largest = 0.0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double error = relative_error(result[i], plain[i]);
    if (std::isnan(error)) return error;
    largest = std::max(largest, error);
  }
  return largest;
}

double rounding(at::ScalarType type) {
  constexpr double kRoundings = 2.0;
  if (type == at::kBFloat16) return kRoundings * std::numeric_limits<c10::BFloat16>::epsilon();
  if (type == at::kHalf) return kRoundings * std::numeric_limits<c10::Half>::epsilon();
  return 1e-4;
}

}  // namespace

std::optional<std::string> difference(const std::vector<at::Tensor>& result,
                                      const std::vector<at::Tensor>& plain) {
  const double error = largest_error(result, plain);
  if (error <= rounding(result.front().scalar_type())) return std::nullopt;
  return "its results differ by " + format_fixed(100 * error, 2) + "% from plain code's";
}

std::optional<std::string> complaint_of(const DeviceTrial& trial,
                                        const std::function<std::optional<std::string>()>& run) {
  try {
    return run();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception& error) {
    try {
      trial.synchronise();
    } catch (const std::exception&) {
      throw WorldError(trial.name + " left the GPU in an error (" + first_line(error) +
                       "); start again with " + trial.way_around);
    }
    return first_line(error);
  }
}

bool are_right(const std::vector<KernelCheck>& checks, const std::string& instead) {
  bool all = true;
  for (const KernelCheck& check : checks) {
    const std::vector<at::Tensor> plain = check.plain();
    const DeviceTrial trial = {.name = check.name,
                               .way_around = "--set training.kernels=plain",
                               .synchronise = [&plain] { plain.front().sum().item<double>(); }};
    std::optional<std::string> problem;
    const double seconds = seconds_of(
        [&] { problem = complaint_of(trial, [&] { return difference(check.compute(), plain); }); });
    if (!problem) {
      log_detail(check.name + ": right on this device (" + format_fixed(1e3 * seconds, 1) + " ms)");
      continue;
    }
    log_warning(check.name + " fails its check on this device: " + *problem + "; " + instead +
                ", more slowly");
    all = false;
  }
  return all;
}

}  // namespace sparse_transformer
