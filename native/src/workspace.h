// Scratch memory of a call, aligned to cache lines and freed with the scope.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace autocircuit {

struct FreeMemory {
  void operator()(char* p) const { std::free(p); }
};

using Workspace = std::unique_ptr<char, FreeMemory>;

inline Workspace make_workspace(int64_t bytes) {
  const std::size_t whole_lines = (static_cast<std::size_t>(bytes) + 63) / 64 * 64;
  void* memory = std::aligned_alloc(64, whole_lines == 0 ? 64 : whole_lines);
  if (memory == nullptr) throw std::bad_alloc();
  return Workspace(static_cast<char*>(memory));
}

// Operations (some 50 microseconds of one thread) from which on other threads are called in; tests
// call them in for any.
#ifndef AUTOCIRCUIT_OPERATIONS_WORTH_THREADS
#define AUTOCIRCUIT_OPERATIONS_WORTH_THREADS 4e6
#endif
constexpr double kOperationsWorthThreads = AUTOCIRCUIT_OPERATIONS_WORTH_THREADS;

// Threads worth starting: one for little work, never more than there are parts.
inline int useful_threads(int32_t asked, int64_t parts, double operations) {
  if (asked < 2 || parts < 2 || operations < kOperationsWorthThreads) return 1;
  return static_cast<int>(asked < parts ? asked : parts);
}

}  // namespace autocircuit
