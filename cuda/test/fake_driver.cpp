// A libcuda.so.1 for tests: one "device" whose memory is the host's and whose kernels are those of
// variants.inc, run by emulator.h. A file vN.cubin, whatever it holds, is variant N. FAKE_DEVICES=0
// makes it find no device.
//
//   g++ -std=c++17 -O1 -shared -fPIC ... -o libcuda.so.1 cuda/test/fake_driver.cpp
#include "emulator.h"

#include "common.cuh"

#include <map>
#include <string>

struct Kernel {
  std::size_t parameters;
  std::function<void(const void*)> run;
};
static std::map<std::string, Kernel> kernels;

template <class Parameters>
static Kernel kernel(void (*entry)(Parameters)) {
  return {sizeof(Parameters), [entry](const void* parameters) {
            Parameters copy;
            std::memcpy(&copy, parameters, sizeof copy);
            entry(copy);
          }};
}

#include "variants.inc"

typedef unsigned long long Address;

static bool present() {
  const char* devices = std::getenv("FAKE_DEVICES");
  return devices == nullptr || std::string(devices) != "0";
}

extern "C" {
int cuInit(unsigned int) {
  if (kernels.empty()) register_kernels();
  return present() ? 0 : 100;
}
int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}
int cuDeviceGetCount(int* count) {
  *count = 1;
  return 0;
}
int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return 0;
}
int cuDeviceGetName(char* name, int length, int) {
  std::snprintf(name, length, "emulator");
  return 0;
}
int cuDeviceTotalMem_v2(std::size_t* bytes, int) {
  *bytes = std::size_t{1} << 33;
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 75   ? 9
           : attribute == 76 ? 0
           : attribute == 16 ? 132
           : attribute == 97 ? 232448
           : attribute == 81 ? 233472
                             : 1;
  return 0;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  static int one;
  *context = &one;
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
int cuCtxSetCurrent(void*) { return 0; }
int cuCtxPushCurrent_v2(void*) { return 0; }
int cuCtxPopCurrent_v2(void**) { return 0; }
int cuCtxSynchronize() { return 0; }
int cuMemAlloc_v2(Address* address, std::size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, bytes) != 0) return 2;
  *address = reinterpret_cast<Address>(memory);
  return 0;
}
int cuMemFree_v2(Address address) {
  std::free(reinterpret_cast<void*>(address));
  return 0;
}
int cuMemcpyHtoD_v2(Address to, const void* from, std::size_t bytes) {
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return 0;
}
int cuMemcpyDtoH_v2(void* to, Address from, std::size_t bytes) {
  std::memcpy(to, reinterpret_cast<void*>(from), bytes);
  return 0;
}
int cuMemcpyDtoD_v2(Address to, Address from, std::size_t bytes) {
  std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes);
  return 0;
}
int cuModuleLoad(void** module, const char* file) {
  std::string name = file;
  name = name.substr(name.rfind('/') + 1);
  *module = new std::string(name.substr(0, name.find('.')));
  return 0;
}
int cuModuleGetFunction(void** function, void* module, const char* entry) {
  const auto found = kernels.find(*static_cast<std::string*>(module) + "/" + entry);
  if (found == kernels.end()) return 500;  // CUDA_ERROR_NOT_FOUND
  *function = &found->second;
  return 0;
}
int cuFuncSetAttribute(void*, int, int) { return 0; }
int cuLaunchKernel(void* function, unsigned int x, unsigned int y, unsigned int z,
                   unsigned int block_x, unsigned int block_y, unsigned int block_z,
                   unsigned int shared, void*, void** parameters, void**) {
  const auto* const kernel = static_cast<const Kernel*>(function);
  emulator::launch(emulator::Mode::ASCENDING_LATE, {x, y, z}, {block_x, block_y, block_z},
                   static_cast<int>(shared), [&] { kernel->run(parameters[0]); });
  return 0;
}
int cuEventCreate(void** event, unsigned int) {
  *event = new int;
  return 0;
}
int cuEventDestroy_v2(void* event) {
  delete static_cast<int*>(event);
  return 0;
}
int cuEventRecord(void*, void*) { return 0; }
int cuEventSynchronize(void*) { return 0; }
int cuEventElapsedTime(float* milliseconds, void*, void*) {
  *milliseconds = 1;
  return 0;
}
int cuGetErrorName(int code, const char** name) {
  *name = code == 100   ? "CUDA_ERROR_NO_DEVICE"
          : code == 500 ? "CUDA_ERROR_NOT_FOUND"
                        : "CUDA_ERROR";
  return 0;
}
}
