// CUDA's runtime functions on top of the interpreter: `kernel<<<…>>>` and what our launches and
// tests call. Linked instead of libcudart; a function that is missing here is a link error.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "tests/cuda/device.h"

namespace {

using ptx::Device;

cudaError_t last_error = cudaSuccess;

cudaError_t failed(cudaError_t error) {
  last_error = error;
  return error;
}

/// The kernels that the host's code launches, by the addresses of their stubs.
std::map<const void*, std::string>& stubs() {
  static std::map<const void*, std::string> names;
  return names;
}

std::vector<ptx::LaunchShape>& pushed_shapes() {
  static std::vector<ptx::LaunchShape> shapes;
  return shapes;
}

ptx::Size3 size_of(dim3 size) { return {size.x, size.y, size.z}; }

/// The PTX texts in what nvcc embeds in an object (--no-compress).
std::vector<std::string> ptx_texts(const char* fat_binary) {
  std::uint16_t header_bytes = 0;
  std::uint64_t content_bytes = 0;
  std::memcpy(&header_bytes, fat_binary + 6, sizeof(header_bytes));
  std::memcpy(&content_bytes, fat_binary + 8, sizeof(content_bytes));
  const std::string content(fat_binary, header_bytes + content_bytes);
  std::vector<std::string> texts;
  for (std::size_t begin = content.find("\n.version"); begin != std::string::npos;) {
    const std::size_t end = content.find('\0', begin);
    texts.push_back(content.substr(begin, end - begin));
    begin = content.find("\n.version", end);
  }
  return texts;
}

}  // namespace

extern "C" {

// What nvcc's stubs call.

struct FatBinaryWrapper {
  int magic, version;
  const char* data;
  void* unused;
};

void** __cudaRegisterFatBinary(void* wrapper) {
  const std::vector<std::string> texts =
      ptx_texts(static_cast<const FatBinaryWrapper*>(wrapper)->data);
  if (texts.empty()) {
    std::fprintf(stderr, "an object without PTX text: compile with --no-compress\n");
    std::abort();
  }
  for (const std::string& text : texts) Device::instance().add_module(text);
  return static_cast<void**>(wrapper);
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 0; }

void __cudaRegisterFunction(void**, const char* stub, char*, const char* name, int, uint3*, uint3*,
                            dim3*, dim3*, int*) {
  stubs()[stub] = name;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared, CUstream_st*) {
  pushed_shapes().push_back({size_of(grid), size_of(block), static_cast<std::uint32_t>(shared)});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared, void* stream) {
  const ptx::LaunchShape shape = pushed_shapes().back();
  pushed_shapes().pop_back();
  *grid = dim3(shape.grid[0], shape.grid[1], shape.grid[2]);
  *block = dim3(shape.block[0], shape.block[1], shape.block[2]);
  *shared = shape.dynamic_shared_bytes;
  *static_cast<cudaStream_t*>(stream) = nullptr;
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* stub) {
  std::memcpy(kernel, &stub, sizeof(stub));
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments,
                               std::size_t shared, cudaStream_t) {
  const std::string& name = stubs().at(static_cast<const void*>(kernel));
  const ptx::LaunchShape shape = {size_of(grid), size_of(block),
                                  static_cast<std::uint32_t>(shared)};
  try {
    if (!Device::instance().accepts(name, shape)) return failed(cudaErrorInvalidConfiguration);
    Device::instance().launch(name, shape, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return failed(cudaErrorLaunchFailure);
  }
  return cudaSuccess;
}

// CUDA's API.

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return "another error";
  }
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  if (attribute != cudaDevAttrMultiProcessorCount) return failed(cudaErrorInvalidValue);
  *value = 4;  // few, so that slices follow each other closely (union_work.h)
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* stub, cudaFuncAttribute attribute, int value) {
  const bool is_allowed =
      attribute == cudaFuncAttributeMaxDynamicSharedMemorySize &&
      Device::instance().allow_dynamic_shared(stubs().at(stub), static_cast<std::uint32_t>(value));
  return is_allowed ? cudaSuccess : failed(cudaErrorInvalidValue);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int,
                                                                   std::size_t, unsigned) {
  *blocks = 2;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  *address = Device::instance().memory().allocate(bytes);
  return cudaSuccess;
}

cudaError_t cudaFree(void* address) {
  if (address == nullptr || Device::instance().memory().free(address)) return cudaSuccess;
  return failed(cudaErrorInvalidValue);
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  ptx::GlobalMemory& memory = Device::instance().memory();
  const bool is_done = kind == cudaMemcpyHostToDevice   ? memory.host_write(to, from, bytes)
                       : kind == cudaMemcpyDeviceToHost ? memory.host_read(to, from, bytes)
                                                        : false;
  return is_done ? cudaSuccess : failed(cudaErrorInvalidValue);
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const bool is_done = Device::instance().memory().host_fill(to, value, bytes);
  return is_done ? cudaSuccess : failed(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }

}  // extern "C"
