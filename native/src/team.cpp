// The threads behind run_together: one pool for the process, grown when it is too small, never ended.
#include "team.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace autocircuit {
namespace {

// For so long a thread looks for what it waits for before it sleeps: waking it takes about as long.
constexpr std::chrono::microseconds kPatience{20};

template <class Condition>
bool comes_soon(const Condition& condition, std::chrono::microseconds patience = kPatience) {
  if (condition()) return true;
  const auto end = std::chrono::steady_clock::now() + patience;
  do {
    for (int i = 0; i < 16; ++i) {
      if (condition()) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  } while (std::chrono::steady_clock::now() < end);
  return condition();
}

struct Job {
  void (*const body)(void*, int);
  void* const work;
  const int members;
  std::atomic<int> joined{1};   // with the caller
  std::atomic<int> working{0};  // of the others
  std::condition_variable done;
  Job* next = nullptr;

  Job(int most, void (*run)(void*, int), void* shared) : body(run), work(shared), members(most) {}
};

class Pool {
 public:
  void run(Job& job) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      job.next = first_;
      first_ = &job;
      posted_.fetch_add(1, std::memory_order_relaxed);
      start_threads(job.members - 1);
      for (int i = std::min(job.members - 1, sleeping_); i > 0; --i) wake_.notify_one();
    }
#ifdef AUTOCIRCUIT_WAIT_FOR_MEMBERS  // for tests: the caller alone would often do all there is
    comes_soon([&] { return job.joined == job.members; }, std::chrono::milliseconds(2));
#endif
    job.body(job.work, 0);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      Job** at = &first_;
      while (*at != &job) at = &(*at)->next;
      *at = job.next;
    }
    comes_soon([&] { return job.working.load(std::memory_order_relaxed) == 0; });
    std::unique_lock<std::mutex> lock(mutex_);
    job.done.wait(lock, [&] { return job.working.load(std::memory_order_relaxed) == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  Job* first_ = nullptr;         // the job that was posted last
  std::atomic<long> posted_{0};  // jobs so far
  int threads_ = 0;
  int free_ = 0;      // threads without a job
  int sleeping_ = 0;  // of these

  // Several callers at once share as many threads as there are processors.
  void start_threads(int wanted) {
    const int most = std::max(wanted, static_cast<int>(std::thread::hardware_concurrency()) - 1);
    while (free_ < wanted && threads_ < most) {
      try {
        std::thread([this] { work(); }).detach();
      } catch (const std::exception&) {
        return;  // the system has no more, or no memory: those who are there do it
      }
      ++threads_;
      ++free_;
    }
  }

  Job* open_job() const {
    Job* job = first_;
    while (job != nullptr && job->joined == job->members) job = job->next;
    return job;
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      Job* job = open_job();
      if (job == nullptr) {
        const long before = posted_.load(std::memory_order_relaxed);
        lock.unlock();
        const bool soon =
            comes_soon([&] { return posted_.load(std::memory_order_relaxed) != before; });
        lock.lock();
        job = open_job();
        if (job == nullptr && !soon) {
          ++sleeping_;
          wake_.wait(lock);
          --sleeping_;
        }
        continue;
      }
      --free_;
      const int member = job->joined++;
      job->working.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
#ifdef AUTOCIRCUIT_WAIT_FOR_MEMBERS
      comes_soon([&] { return job->joined == job->members; }, std::chrono::milliseconds(2));
#endif
      job->body(job->work, member);
      lock.lock();
      ++free_;
      if (job->working.fetch_sub(1, std::memory_order_relaxed) == 1) job->done.notify_one();
    }
  }
};

Pool& pool() {
  static Pool* const threads =
      new Pool();  // never deleted: its threads use it until the process ends
  return *threads;
}

}  // namespace

void run_together(int members, void (*body)(void* work, int member), void* work) {
  if (members < 2) {
    body(work, 0);
    return;
  }
  Job job(members, body, work);
  pool().run(job);
}

}  // namespace autocircuit
