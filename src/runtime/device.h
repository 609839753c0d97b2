// The processor a run computes on, and what is known about the machine.
#pragma once

#include <c10/core/Device.h>

#include <array>
#include <map>
#include <string>
#include <string_view>

namespace sparse_transformer {

enum class DeviceChoice { kAuto, kCpu, kCuda };
inline constexpr std::array<std::string_view, 3> kDeviceWords = {"auto", "cpu", "cuda"};

/// The device of a choice; kAuto is a GPU where there is a usable one. `index` counts the GPUs a
/// process can see. Throws UserError, which says why, where CUDA is asked for and cannot be had.
at::Device choose_device(DeviceChoice choice, int index = 0);

/// CUDA: whether LibTorch takes only kernels that repeat bit for bit, where it has one. For the
/// whole process; where none is had, LibTorch warns. Before the first use of CUDA.
void take_repeatable_kernels(bool repeatable);

/// CUDA: sums of half-precision products stay float32 where LibTorch splits a product in parts. For
/// the whole process.
void sum_products_in_float32();

/// The device of a choice, with both of the above done on CUDA: to be called before anything is
/// computed there.
at::Device choose_training_device(DeviceChoice choice, bool repeatable);

/// Whether LibTorch has products in bfloat16 for this processor. Elsewhere it multiplies number by
/// number, tens of times slower than in float32.
bool multiplies_bfloat16();

/// Whether this program is linked with LibTorch's CUDA libraries.
bool built_with_cuda();

/// What a result may depend on, bit for bit: "processor", "instructions" (the set LibTorch's
/// kernels use), "threads", "gpu" (on CUDA only), "libtorch". Recorded in run folders.
std::map<std::string, std::string> describe_machine(at::Device device);

/// What differs between two such descriptions, "threads: 8, now 2; …", or nothing. A run that goes
/// on where this is not empty need not be equal bit for bit to an uninterrupted one.
std::string machine_difference(const std::map<std::string, std::string>& before,
                               const std::map<std::string, std::string>& now);

}  // namespace sparse_transformer
