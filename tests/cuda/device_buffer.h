// Memory of the device, for tests of kernels: the interpreter's, or a GPU's.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace sparse_transformer {

/// Fails the test where CUDA reports an error.
inline void expect_success(int code) {
  EXPECT_EQ(code, cudaSuccess) << cudaGetErrorString(static_cast<cudaError_t>(code));
}

/// `count` numbers, freed at the end. T is a number or a plain struct.
template <typename T>
class DeviceBuffer {
 public:
  /// Poisoned: every byte is 0xff, which is NaN. The interpreter refuses to read such bytes.
  explicit DeviceBuffer(std::size_t count) : count_(count) {
    expect_success(cudaMalloc(reinterpret_cast<void**>(&data_), bytes()));
    poison();
  }
  explicit DeviceBuffer(const std::vector<T>& values) : DeviceBuffer(values.size()) {
    write(values);
  }

  DeviceBuffer(DeviceBuffer&& other) noexcept : data_(other.data_), count_(other.count_) {
    other.data_ = nullptr;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(DeviceBuffer&&) = delete;
  ~DeviceBuffer() { cudaFree(data_); }

  T* data() const { return data_; }
  std::size_t size() const { return count_; }

  void poison() { expect_success(cudaMemset(data_, 0xff, bytes())); }

  /// As many values as there are.
  void write(const std::vector<T>& values) {
    expect_success(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice));
  }

  /// Waits for the device.
  std::vector<T> read() const {
    std::vector<T> values(count_);
    expect_success(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  std::size_t bytes() const { return count_ * sizeof(T); }

  T* data_ = nullptr;
  std::size_t count_;
};

}  // namespace sparse_transformer
