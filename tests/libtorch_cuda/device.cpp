// What LibTorch asks about CUDA devices: there is one, with one stream.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace libtorch_cuda {
namespace {

const c10::Device kDevice{c10::kCUDA, 0};

struct Guard final : c10::impl::DeviceGuardImplInterface {
  explicit Guard(c10::DeviceType /*type*/) {}
  Guard() = default;
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device /*device*/) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  void setDevice(c10::Device /*device*/) const override {}
  void uncheckedSetDevice(c10::Device /*device*/) const noexcept override {}
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void** /*event*/, const c10::Stream& /*stream*/, c10::DeviceIndex /*device*/,
              c10::EventFlag /*flag*/) const override {}
  void block(void* /*event*/, const c10::Stream& /*stream*/) const override {}
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard);

/// Pinned memory is the host's, as any other.
struct PinnedMemory final : at::HostAllocator {
  c10::DataPtr allocate(std::size_t bytes) override {
    return c10::GetAllocator(c10::kCPU)->allocate(bytes);
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  bool record_event(void* /*data*/, void* /*context*/, c10::Stream /*stream*/) override {
    return true;
  }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}
  void end_allocate_to_pool(c10::MempoolId_t /*pool*/) override {}
  void release_pool(c10::MempoolId_t /*pool*/) override {}
};

PinnedMemory pinned_memory;
const at::HostAllocatorRegistry<c10::kCUDA> registered(&pinned_memory);

}  // namespace
}  // namespace libtorch_cuda

namespace at {

struct HostCudaHooks : CUDAHooksInterface {
  explicit HostCudaHooks(CUDAHooksArgs /*unused*/) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasCUDART() const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex current_device() const override { return 0; }
  bool hasPrimaryContext(DeviceIndex /*device*/) const override { return true; }
  bool isPinnedPtr(const void* /*data*/) const override { return true; }
  const Generator& getDefaultGenerator(DeviceIndex /*device*/) const override {
    static const Generator unused = detail::createCPUGenerator();  // seeded with all others
    return unused;
  }
  Allocator* getPinnedMemoryAllocator() const override { return &libtorch_cuda::pinned_memory; }
};
C10_REGISTER_CLASS(CUDAHooksRegistry, CUDAHooks, HostCudaHooks)

}  // namespace at
