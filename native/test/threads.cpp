// What g++ needs of an OpenMP runtime to run the kernels' parallel regions, on std::thread: libgomp is
// not compiled for the thread sanitizer, which would take its barriers for no synchronisation at all.
// Compile the kernels with -fopenmp -fsanitize=thread, link them with this and without -fopenmp.
//
// Threads are ordered by nothing but the start and the end of a region, its barriers, and the entry of
// a loop with a dynamic schedule; chunks are handed out without ordering those who take them.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace {

struct Team {
  const int size;
  std::mutex mutex;
  std::condition_variable all;
  int waiting = 0;
  long passed = 0;  // barriers
  bool loop = false;
  std::atomic<long> next{0};
  long end = 0, step = 1, chunk = 1;

  explicit Team(int threads) : size(threads) {}

  void barrier() {
    std::unique_lock<std::mutex> lock(mutex);
    const long here = passed;
    if (++waiting == size) {
      waiting = 0;
      loop = false;
      ++passed;
      all.notify_all();
    } else {
      all.wait(lock, [&] { return passed != here; });
    }
  }

  bool take(long* from, long* to) {
    const long begin = next.fetch_add(step * chunk, std::memory_order_relaxed);
    if (begin >= end) return false;
    *from = begin;
    *to = begin + step * chunk < end ? begin + step * chunk : end;
    return true;
  }
};

thread_local Team* team = nullptr;
thread_local int number = 0;

}  // namespace

extern "C" {

int omp_get_num_threads() { return team == nullptr ? 1 : team->size; }

int omp_get_thread_num() { return number; }

void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned) {
  Team mine(static_cast<int>(threads));
  std::vector<std::thread> others;
  for (int i = 1; i < mine.size; ++i) {
    others.emplace_back([&mine, body, data, i] {
      team = &mine;
      number = i;
      body(data);
    });
  }
  Team* const before = team;
  const int number_before = number;
  team = &mine;
  number = 0;
  body(data);
  team = before;
  number = number_before;
  for (std::thread& other : others) other.join();
}

void GOMP_barrier() { team->barrier(); }

bool GOMP_loop_nonmonotonic_dynamic_start(long start, long end, long step, long chunk, long* from,
                                          long* to) {
  {
    const std::lock_guard<std::mutex> lock(team->mutex);
    if (!team->loop) {
      team->loop = true;
      team->next.store(start, std::memory_order_relaxed);
      team->end = end;
      team->step = step;
      team->chunk = chunk;
    }
  }
  return team->take(from, to);
}

bool GOMP_loop_nonmonotonic_dynamic_next(long* from, long* to) { return team->take(from, to); }

void GOMP_loop_end() { team->barrier(); }
}
