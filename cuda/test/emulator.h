// Runs CUDA kernels on the CPU, for tests: include it, then common.cuh, then a kernel.
//
// A block's threads are fibers (ucontext) on one thread; they change at barriers and warp
// operations. What a GPU leaves open is tried at both ends by Mode: threads run in ascending or in
// descending order between barriers, and an asynchronous copy takes place when it is started or at
// the last moment. A kernel without races computes the same bits in both. Shared memory is an
// allocation of the size the launch asks for, poisoned anew for each block. Errors (a barrier that not
// all threads reach, lanes of a warp in different operations, a misaligned copy) end the program with
// a message. Compile with -fsanitize=address,undefined to find accesses out of bounds.
#pragma once
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define AUTOCIRCUIT_EMULATOR
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

struct dim3 {
  unsigned int x, y, z;
};
struct alignas(8) uint2 {
  unsigned int x, y;
};
struct alignas(16) uint4 {
  unsigned int x, y, z, w;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

enum class Mode { ASCENDING_LATE, DESCENDING_EARLY };

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "emulator: %s; block (%u,%u,%u), thread (%u,%u)\n", what, blockIdx.x,
               blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y);
  std::exit(3);
}

struct Copy {
  void* to;
  const void* from;
  int bytes;
  bool wanted;
  void run() const {
    std::memset(to, 0, static_cast<std::size_t>(bytes));
    if (wanted) std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }
};

enum class State { READY, BARRIER, SHUFFLE, BALLOT, WARP_BARRIER, DONE };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  void* fake_stack = nullptr;
  State state = State::DONE;
  dim3 index;
  unsigned int in = 0;   // what a lane hands to a warp operation
  unsigned int out = 0;  // what it gets
  int lane_mask = 0;
  std::vector<std::vector<Copy>> groups;  // copies not yet made; the last group is open
};

constexpr std::size_t kStack = 256 << 10;

struct Machine {
  Mode mode = Mode::ASCENDING_LATE;
  std::vector<Fiber> fibers;
  Fiber* current = nullptr;
  ucontext_t scheduler;
  void* scheduler_fake = nullptr;
  const void* scheduler_stack = nullptr;
  std::size_t scheduler_size = 0;
  std::function<void()> kernel;
  unsigned char* shared = nullptr;
};
inline Machine machine;

inline unsigned char* shared_memory() { return machine.shared; }

inline void leave(State state) {
  Fiber& fiber = *machine.current;
  fiber.state = state;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(state == State::DONE ? nullptr : &fiber.fake_stack,
                                 machine.scheduler_stack, machine.scheduler_size);
#endif
  swapcontext(&fiber.context, &machine.scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fiber.fake_stack, &machine.scheduler_stack,
                                  &machine.scheduler_size);
#endif
}

inline void body() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &machine.scheduler_stack, &machine.scheduler_size);
#endif
  machine.kernel();
  leave(State::DONE);
}

inline void enter(Fiber& fiber) {
  machine.current = &fiber;
  threadIdx = fiber.index;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&machine.scheduler_fake, fiber.stack.get(), kStack);
#endif
  swapcontext(&machine.scheduler, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(machine.scheduler_fake, nullptr, nullptr);
#endif
}

// Completes the operation of a warp whose lanes all wait for the same one.
inline bool finish_warp(Fiber* lanes) {
  const State state = lanes[0].state;
  if (state != State::SHUFFLE && state != State::BALLOT && state != State::WARP_BARRIER)
    return false;
  unsigned int bits = 0;
  for (int i = 0; i < 32; ++i) {
    if (lanes[i].state != state || lanes[i].lane_mask != lanes[0].lane_mask) return false;
    bits |= lanes[i].in != 0 ? 1u << i : 0;
  }
  for (int i = 0; i < 32; ++i) {
    lanes[i].out = state == State::BALLOT ? bits : lanes[i ^ lanes[0].lane_mask].in;
  }
  for (int i = 0; i < 32; ++i) lanes[i].state = State::READY;
  return true;
}

inline void run_block() {
  std::vector<Fiber>& fibers = machine.fibers;
  const int n = static_cast<int>(fibers.size());
  for (Fiber& fiber : fibers) {
    fiber.groups.assign(1, {});
    fiber.state = State::READY;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, body, 0);
  }
  for (;;) {
    bool progress = false;
    int done = 0;
    int waiting = 0;
    for (int i = 0; i < n; ++i) {
      const int at = machine.mode == Mode::ASCENDING_LATE ? i : n - 1 - i;
      if (fibers[at].state == State::READY) {
        enter(fibers[at]);
        progress = true;
      }
      done += fibers[at].state == State::DONE;
      waiting += fibers[at].state == State::BARRIER;
    }
    if (done == n) return;
    for (int warp = 0; warp < n; warp += 32) progress = finish_warp(&fibers[warp]) || progress;
    if (waiting > 0 && done + waiting == n) {
      for (Fiber& fiber : fibers) {
        if (fiber.state == State::BARRIER) fiber.state = State::READY;
      }
      progress = true;
    }
    if (!progress)
      fail("some threads wait for ever: a barrier or warp operation is not reached by all");
  }
}

// Runs a grid. `shared` bytes of dynamic shared memory.
inline void launch(Mode mode, dim3 grid, dim3 block, int shared, std::function<void()> kernel) {
  machine.mode = mode;
  machine.kernel = std::move(kernel);
  gridDim = grid;
  blockDim = block;
  const unsigned int threads = block.x * block.y;
  if (threads % 32 != 0 || threads > 1024) fail("a block must be 1 to 32 whole warps");
  if (machine.fibers.size() != threads) machine.fibers = std::vector<Fiber>(threads);
  for (unsigned int i = 0; i < threads; ++i) {
    Fiber& fiber = machine.fibers[i];
    if (fiber.stack == nullptr) fiber.stack.reset(new char[kStack]);
    fiber.index = {i % block.x, i / block.x, 0};
  }
  const std::size_t bytes = static_cast<std::size_t>(shared > 0 ? shared : 16);
  for (unsigned int z = 0; z < grid.z; ++z) {
    for (unsigned int y = 0; y < grid.y; ++y) {
      for (unsigned int x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        void* memory = nullptr;
        if (posix_memalign(&memory, 16, bytes) != 0) std::abort();
        machine.shared = static_cast<unsigned char*>(memory);
        std::memset(machine.shared, 0xff, bytes);
        run_block();
        std::free(machine.shared);
      }
    }
  }
}

inline unsigned int exchange(State state, int lane_mask, unsigned int in) {
  machine.current->in = in;
  machine.current->lane_mask = lane_mask;
  leave(state);
  return machine.current->out;
}

inline void copy_async(void* to, const void* from, int bytes, bool wanted) {
  if (reinterpret_cast<std::uintptr_t>(to) % bytes != 0 ||
      (wanted && reinterpret_cast<std::uintptr_t>(from) % bytes != 0)) {
    fail("misaligned asynchronous copy");
  }
  const Copy copy = {to, from, bytes, wanted};
  if (machine.mode == Mode::DESCENDING_EARLY) {
    copy.run();
  } else {
    machine.current->groups.back().push_back(copy);
  }
}

inline void commit_copies() { machine.current->groups.emplace_back(); }

inline void wait_copies(int pending) {
  std::vector<std::vector<Copy>>& groups = machine.current->groups;
  const int closed = static_cast<int>(groups.size()) - 1;
  if (closed <= pending) return;
  for (int i = 0; i < closed - pending; ++i) {
    for (const Copy& copy : groups[i]) copy.run();
  }
  groups.erase(groups.begin(), groups.begin() + (closed - pending));
}

}  // namespace emulator

inline void __syncthreads() { emulator::leave(emulator::State::BARRIER); }
inline void __syncwarp() { emulator::exchange(emulator::State::WARP_BARRIER, 0, 0); }
inline unsigned int __ballot_sync(unsigned int, bool value) {
  return emulator::exchange(emulator::State::BALLOT, 0, value);
}
inline float __uint_as_float(unsigned int bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline unsigned int __float_as_uint(float x) {
  unsigned int bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline float __shfl_xor_sync(unsigned int, float value, int lane_mask) {
  return __uint_as_float(
      emulator::exchange(emulator::State::SHUFFLE, lane_mask, __float_as_uint(value)));
}
inline int __popc(unsigned int bits) { return __builtin_popcount(bits); }
inline unsigned int atomicOr(unsigned int* to, unsigned int bits) {
  const unsigned int before = *to;
  *to |= bits;
  return before;
}
