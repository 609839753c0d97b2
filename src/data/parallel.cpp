#include "data/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace sparse_transformer {

namespace {

using Work = std::function<void(std::size_t thread, std::size_t index)>;

/// Several threads work; the one that made them watches.
class Workers {
 public:
  Workers(std::size_t count, const Work& work) : count_(count), work_(work) {}

  void run(const DataProgress& progress) {
    {
      std::vector<std::jthread> threads;
      const StopOnExit stop{next_, count_};
      working_ = threads_for(count_);
      for (std::size_t thread = working_; thread-- > 0;) {
        threads.emplace_back([this, thread] { take_all(thread); });
      }
      watch(progress);
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  /// Threads find nothing left to do when the watcher leaves by an exception.
  struct StopOnExit {
    std::atomic<std::size_t>& next;
    std::size_t end;
    ~StopOnExit() { next = end; }
  };

  void take_all(std::size_t thread) {
    try {
      for (std::size_t i = next_++; i < count_; i = next_++) {
        work_(thread, i);
        ++done_;
      }
    } catch (...) {
      const std::scoped_lock lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_ = count_;
    }
    const std::scoped_lock lock(mutex_);
    --working_;
    ended_.notify_one();
  }

  void watch(const DataProgress& progress) {
    constexpr std::chrono::milliseconds kRefresh(100);
    std::unique_lock lock(mutex_);
    for (bool ended = false; !ended;) {
      ended = ended_.wait_for(lock, kRefresh, [this] { return working_ == 0; });
      lock.unlock();
      if (progress) progress(done_, static_cast<std::int64_t>(count_));
      lock.lock();
    }
  }

  std::size_t count_;
  const Work& work_;
  std::atomic<std::size_t> next_ = 0;   // the index that the next free thread takes
  std::atomic<std::int64_t> done_ = 0;  // pieces of work
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t working_ = 0;  // threads
  std::exception_ptr failure_;
};

}  // namespace

std::size_t threads_for(std::size_t count) {
  return std::min<std::size_t>(std::max(1U, std::thread::hardware_concurrency()), count);
}

void in_parallel(std::size_t count, const Work& work, const DataProgress& progress) {
  Workers(count, work).run(progress);
}

}  // namespace sparse_transformer
