// The functions of the CUDA driver that run_device.cpp calls, found in libcuda.so.1 when it starts, so
// that it builds and starts where no driver is, without CUDA's headers. Every failed call ends the
// program with one line.
#pragma once
#include <dlfcn.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace driver {

typedef unsigned long long Address;
constexpr int kMultiprocessors = 16, kMajor = 75, kMinor = 76;  // of CUdevice_attribute
constexpr int kMaxDynamicSharedBytes = 8;                       // of CUfunction_attribute

inline void* library() {
  static void* const handle = [] {
    void* found = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    if (found == nullptr) {
      std::fprintf(stderr,
                   "run_device: no NVIDIA driver (libcuda.so.1 not found); install driver 580 or "
                   "newer, or start the container with the devices\n");
      std::exit(2);
    }
    return found;
  }();
  return handle;
}

template <class... Arguments>
inline int call(const char* name, Arguments... arguments) {
  void* const function = dlsym(library(), name);
  if (function == nullptr) {
    std::fprintf(stderr, "run_device: the driver has no %s; install driver 580 or newer\n", name);
    std::exit(2);
  }
  return reinterpret_cast<int (*)(Arguments...)>(function)(arguments...);
}

template <class... Arguments>
inline void check(const char* name, Arguments... arguments) {
  const int code = call(name, arguments...);
  if (code == 0) return;
  const char* text = nullptr;
  call("cuGetErrorName", code, &text);
  std::fprintf(stderr, "run_device: %s failed: error=%s (%d)\n", name,
               text == nullptr ? "unknown" : text, code);
  std::exit(code == 100 ? 2 : 3);  // 100: no device
}

}  // namespace driver
