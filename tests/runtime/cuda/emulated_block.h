// A CUDA block emulated on the CPU, so that kernels run in any test. Every thread is a fiber; a
// warp's instruction waits for its 32 threads, a barrier for all. What a GPU would leave to chance
// comes out wrong here: shared memory starts as NaN, copies arrive at once or only when they are
// waited for, and a warp runs as far ahead of the others as it can, from the first to the last or
// the other way round.
#pragma once

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#include "runtime/cuda/device_code.h"

namespace sparse_transformer {

class EmulatedBlock;

enum class Order { kForwards, kBackwards };
enum class Arrival { kWhenAwaited, kAtOnce };

/// The functions of CudaThread (runtime/cuda/thread.cuh), which says what they do.
class EmulatedThread {
 public:
  EmulatedThread(EmulatedBlock& block, int index) : block_(&block), index_(index) {}

  int index() const { return index_; }
  int lane() const { return index_ % 32; }
  int count() const;
  void synchronize();

  template <int kBytes>
  void copy_async(void* to, const void* from, bool present) {
    check_alignment(to, kBytes);
    check_alignment(from, kBytes);
    Copy copy{to, {}, kBytes};
    if (present) std::memcpy(copy.bytes.data(), from, kBytes);
    if (copies_arrive_at_once()) {
      copy.arrive();
    } else {
      open_.push_back(copy);
    }
  }
  void commit_copies() {
    groups_.push_back(std::move(open_));
    open_.clear();
  }
  template <int kGroups>
  void wait_for_copies() {
    while (groups_.size() > kGroups) {
      for (const Copy& copy : groups_.front()) copy.arrive();
      groups_.erase(groups_.begin());
    }
  }

  void load_matrices(const std::uint16_t* row, std::uint32_t (&fragment)[4]);
  void load_matrices_transposed(const std::uint16_t* row, std::uint32_t (&fragment)[4]);
  template <HalfType kType>
  void multiply_add(float (&sums)[4], const std::uint32_t (&a)[4], std::uint32_t b_low,
                    std::uint32_t b_high);
  template <typename T>
  T exchange(T x, int bits);
  std::uint32_t ballot(bool holds);
  static int lowest_bit(std::uint32_t bits) { return std::countr_zero(bits); }

  template <HalfType kType>
  static std::uint32_t pack(float low, float high) {
    return bits<kType>(low) | static_cast<std::uint32_t>(bits<kType>(high)) << 16;
  }
  template <HalfType kType>
  static void unpack(std::uint32_t pair, float& low, float& high) {
    low = number<kType>(static_cast<std::uint16_t>(pair));
    high = number<kType>(static_cast<std::uint16_t>(pair >> 16));
  }

  static void read(const std::uint16_t* from, std::uint32_t (&pairs)[4]) {
    check_alignment(from);
    std::memcpy(pairs, from, sizeof(pairs));
  }
  static void write(void* to, const std::uint32_t (&words)[4]) {
    check_alignment(to);
    std::memcpy(to, words, sizeof(words));
  }
  static void load(const void* from, std::uint32_t (&words)[4]) {
    check_alignment(from);
    std::memcpy(words, from, sizeof(words));
  }

  static float read(const float* from) { return *from; }

  static std::int32_t count_up(std::int32_t* number) { return (*number)++; }
  /// Blocks run one after the other in the order of their turns: what is waited for must be there.
  static void wait_until(const std::int32_t* number, std::int32_t least) {
    EXPECT_GE(*number, least) << "a block waits for a later one";
  }

  static float exp2(float x) { return std::exp2(x); }
  static float log2(float x) { return std::log2(x); }
  static float reciprocal(float x) { return 1.0F / x; }
  static double exp(double x) { return std::exp(x); }
  static float reciprocal_root(float x) { return 1.0F / std::sqrt(x); }

  template <HalfType kType>
  static std::uint16_t bits(float x) {
    if constexpr (kType == HalfType::kBfloat16) return c10::BFloat16(x).x;
    return c10::Half(x).x;
  }
  template <HalfType kType>
  static float number(std::uint16_t x) {
    if constexpr (kType == HalfType::kBfloat16) {
      return c10::BFloat16(x, c10::BFloat16::from_bits());
    }
    return c10::Half(x, c10::Half::from_bits());
  }

 private:
  /// A GPU refuses an address that is no multiple of what is moved at once.
  static void check_alignment(const void* address, std::size_t bytes = 16) {
    if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) {
      ADD_FAILURE() << "an address that is no multiple of " << bytes;
    }
  }

  struct Copy {
    void* to;
    std::array<unsigned char, 16> bytes;
    std::size_t size;
    void arrive() const { std::memcpy(to, bytes.data(), size); }
  };
  bool copies_arrive_at_once() const;

  EmulatedBlock* block_;
  int index_;
  std::vector<Copy> open_;
  std::vector<std::vector<Copy>> groups_;
};

/// One block after the other.
class EmulatedBlock {
 public:
  using Kernel =
      std::function<void(EmulatedThread& thread, std::int64_t block, std::uint16_t* shared)>;

  EmulatedBlock(int threads, int shared_bytes, Order order, Arrival arrival)
      : order_(order), arrival_(arrival), shared_(static_cast<std::size_t>(shared_bytes) / 2) {
    for (int i = 0; i < threads; ++i) {
      fibers_.push_back(std::make_unique<Fiber>(*this, i));
    }
    warps_.resize(fibers_.size() / 32);
  }

  void run(std::int64_t blocks, const Kernel& kernel) {
    kernel_ = &kernel;
    for (number_ = 0; number_ < blocks; ++number_) run_one();
  }

  Arrival arrival() const { return arrival_; }
  int threads() const { return static_cast<int>(fibers_.size()); }

  void wait_for_block() {
    meet(barrier_, threads(), [] {});
  }

  /// What the 32 threads of a warp hand to an instruction, and what each gets back.
  struct Warp {
    std::array<const std::uint16_t*, 32> rows;
    std::array<std::array<std::uint32_t, 6>, 32> fragments;
    std::array<std::array<float, 4>, 32> sums;
    std::array<std::uint32_t, 32> words, results;
    const char* instruction = nullptr;
    struct Meeting {
      int arrived = 0;
      std::int64_t passed = 0;
    } meeting;
  };

  Warp& warp_of(const EmulatedThread& thread) {
    return warps_[static_cast<std::size_t>(thread.index()) / 32];
  }

  /// Waits until all threads of the warp are at the same instruction; the last one carries it out.
  template <typename Instruction>
  void together(Warp& warp, const char* name, const Instruction& instruction) {
    if (warp.meeting.arrived == 0) warp.instruction = name;
    if (std::strcmp(warp.instruction, name) != 0) failure_ = "a warp diverged";
    meet(warp.meeting, 32, instruction);
  }

 private:
  struct Fiber {
    Fiber(EmulatedBlock& block, int index) : thread(block, index), stack(kStackBytes) {}
    EmulatedThread thread;
    std::vector<char> stack;
    ucontext_t context = {};
    bool done = false;
  };

  template <typename Meeting, typename Last>
  void meet(Meeting& meeting, int threads, const Last& last) {
    ++progress_;
    const std::int64_t now = meeting.passed;
    if (++meeting.arrived == threads) {
      last();
      meeting.arrived = 0;
      ++meeting.passed;
      return;
    }
    while (meeting.passed == now) swapcontext(&running_->context, &scheduler_);
    ++progress_;
  }

  void run_one() {
    std::fill(shared_.begin(), shared_.end(), std::uint16_t{0xffff});
    for (const auto& fiber : fibers_) start(*fiber);
    left_ = fibers_.size();
    while (left_ > 0) {
      const std::int64_t before = progress_;
      for (std::size_t i = 0; i < warps_.size(); ++i) {
        run_warp(order_ == Order::kForwards ? i : warps_.size() - 1 - i);
      }
      if (left_ > 0 && progress_ == before) throw std::logic_error("threads wait for ever");
    }
  }

  /// Until all its threads wait for another warp or are done.
  void run_warp(std::size_t warp) {
    std::int64_t before = progress_ - 1;
    while (progress_ != before) {
      before = progress_;
      for (std::size_t lane = 0; lane < 32; ++lane) {
        Fiber& fiber = *fibers_[32 * warp + (order_ == Order::kForwards ? lane : 31 - lane)];
        if (fiber.done) continue;
        running_ = &fiber;
        swapcontext(&scheduler_, &fiber.context);
        if (fiber.done) --left_;
        if (failure_ != nullptr) throw std::logic_error(failure_);
      }
    }
  }

  void start(Fiber& fiber) {
    fiber.thread = EmulatedThread(*this, fiber.thread.index());
    fiber.done = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.data();
    fiber.context.uc_stack.ss_size = fiber.stack.size();
    fiber.context.uc_link = &scheduler_;
    // makecontext passes ints only: a pointer goes in two halves.
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&fiber.context, reinterpret_cast<void (*)()>(&EmulatedBlock::enter), 2,
                static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
  }

  static void enter(unsigned high, unsigned low) {
    auto* block = reinterpret_cast<EmulatedBlock*>(static_cast<std::uintptr_t>(high) << 32 | low);
    Fiber& fiber = *block->running_;
    (*block->kernel_)(fiber.thread, block->number_, block->shared_.data());
    fiber.done = true;
    ++block->progress_;
  }

  static constexpr std::size_t kStackBytes = 256 * 1024;

  Order order_;
  Arrival arrival_;
  std::vector<std::uint16_t> shared_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Warp> warps_;
  Warp::Meeting barrier_;
  const Kernel* kernel_ = nullptr;
  std::int64_t number_ = 0;
  ucontext_t scheduler_ = {};
  Fiber* running_ = nullptr;
  std::size_t left_ = 0;  // threads that are not done
  std::int64_t progress_ = 0;
  const char* failure_ = nullptr;
};

inline int EmulatedThread::count() const { return block_->threads(); }
inline bool EmulatedThread::copies_arrive_at_once() const {
  return block_->arrival() == Arrival::kAtOnce;
}
inline void EmulatedThread::synchronize() { block_->wait_for_block(); }

inline void EmulatedThread::load_matrices(const std::uint16_t* row, std::uint32_t (&fragment)[4]) {
  check_alignment(row);
  EmulatedBlock::Warp& warp = block_->warp_of(*this);
  const auto me = static_cast<std::size_t>(lane());
  warp.rows[me] = row;
  block_->together(warp, "ldmatrix", [&warp] {
    for (std::size_t t = 0; t < 32; ++t) {
      for (std::size_t m = 0; m < 4; ++m) {
        const std::uint16_t* from = warp.rows[8 * m + t / 4] + 2 * (t % 4);
        warp.fragments[t][m] = from[0] | static_cast<std::uint32_t>(from[1]) << 16;
      }
    }
  });
  for (std::size_t m = 0; m < 4; ++m) fragment[m] = warp.fragments[me][m];
}

inline void EmulatedThread::load_matrices_transposed(const std::uint16_t* row,
                                                     std::uint32_t (&fragment)[4]) {
  check_alignment(row);
  EmulatedBlock::Warp& warp = block_->warp_of(*this);
  const auto me = static_cast<std::size_t>(lane());
  warp.rows[me] = row;
  block_->together(warp, "ldmatrix.trans", [&warp] {
    for (std::size_t t = 0; t < 32; ++t) {
      for (std::size_t m = 0; m < 4; ++m) {
        const auto at = [&](std::size_t i) { return warp.rows[8 * m + i][t / 4]; };
        warp.fragments[t][m] = at(2 * (t % 4)) | static_cast<std::uint32_t>(at(2 * (t % 4) + 1))
                                                     << 16;
      }
    }
  });
  for (std::size_t m = 0; m < 4; ++m) fragment[m] = warp.fragments[me][m];
}

template <HalfType kType>
void EmulatedThread::multiply_add(float (&sums)[4], const std::uint32_t (&a)[4],
                                  std::uint32_t b_low, std::uint32_t b_high) {
  EmulatedBlock::Warp& warp = block_->warp_of(*this);
  const auto me = static_cast<std::size_t>(lane());
  warp.fragments[me] = {a[0], a[1], a[2], a[3], b_low, b_high};
  for (std::size_t i = 0; i < 4; ++i) warp.sums[me][i] = sums[i];
  block_->together(warp, "mma", [&warp] {
    // PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type", element by element:
    // groupID = t / 4, threadID_in_group = t % 4.
    float whole_a[16][16], whole_b[16][8];
    for (std::size_t t = 0; t < 32; ++t) {
      for (std::size_t i = 0; i < 8; ++i) {
        const std::size_t row = i < 2 || (i >= 4 && i < 6) ? t / 4 : t / 4 + 8;
        const std::size_t column = t % 4 * 2 + (i & 1) + (i < 4 ? 0 : 8);
        whole_a[row][column] =
            number<kType>(static_cast<std::uint16_t>(warp.fragments[t][i / 2] >> (16 * (i % 2))));
      }
      for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t row = t % 4 * 2 + (i & 1) + (i < 2 ? 0 : 8);
        whole_b[row][t / 4] = number<kType>(
            static_cast<std::uint16_t>(warp.fragments[t][4 + i / 2] >> (16 * (i % 2))));
      }
    }
    for (std::size_t t = 0; t < 32; ++t) {
      for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t row = i < 2 ? t / 4 : t / 4 + 8;
        const std::size_t column = t % 4 * 2 + (i & 1);
        for (std::size_t k = 0; k < 16; ++k) {
          warp.sums[t][i] += whole_a[row][k] * whole_b[k][column];
        }
      }
    }
  });
  for (std::size_t i = 0; i < 4; ++i) sums[i] = warp.sums[me][i];
}

template <typename T>
T EmulatedThread::exchange(T x, int bits) {
  EmulatedBlock::Warp& warp = block_->warp_of(*this);
  const auto me = static_cast<std::size_t>(lane());
  warp.words[me] = std::bit_cast<std::uint32_t>(x);
  block_->together(warp, "shfl", [&warp] { warp.results = warp.words; });
  return std::bit_cast<T>(warp.results[me ^ static_cast<std::size_t>(bits)]);
}

inline std::uint32_t EmulatedThread::ballot(bool holds) {
  EmulatedBlock::Warp& warp = block_->warp_of(*this);
  warp.words[static_cast<std::size_t>(lane())] = holds ? 1 : 0;
  block_->together(warp, "ballot", [&warp] {
    std::uint32_t all = 0;
    for (std::size_t t = 0; t < 32; ++t) all |= warp.words[t] << t;
    warp.results.fill(all);
  });
  return warp.results[0];
}

}  // namespace sparse_transformer
