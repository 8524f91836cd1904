// Stands in for libcuda.so.1, libcudart.so.13 and libnvrtc.so.13 on machines without CUDA, to test
// what PresetDriver and Nvrtc hand to the C functions. Every call is written to $FAKE_CUDA_LOG.
// Compiled by PresetBindingTest.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(const char* format, ...) {
  FILE* log = fopen(getenv("FAKE_CUDA_LOG"), "a");
  va_list arguments;
  va_start(arguments, format);
  vfprintf(log, format, arguments);
  va_end(arguments);
  fputc('\n', log);
  fclose(log);
}

// ---- driver ----

int cuInit(unsigned flags) { return say("cuInit %u", flags), 0; }
int cuDriverGetVersion(int* version) { return *version = 13010, 0; }
int cuDeviceGetCount(int* count) { return *count = 2, 0; }
int cuDeviceGet(int* device, int ordinal) {
  *device = 40 + ordinal;
  return 0;
}
int cuDeviceGetName(char* name, int length, int device) {
  snprintf(name, (size_t)length, "Fake %d", device);
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  switch (attribute) {
    case 16: *value = 132; return 0;
    case 75: *value = device == 40 ? 7 : 9; return 0;
    case 76: *value = 0; return 0;
    case 81: *value = 233472; return 0;
    case 97: *value = 232448; return 0;
    default: return 1;
  }
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) { return *bytes = 80ull << 30, device < 40; }
int cuDevicePrimaryCtxRetain(void** context, int device) {
  say("cuDevicePrimaryCtxRetain %d", device);
  *context = (void*)0x1000;
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  return say("cuDevicePrimaryCtxRelease %d", device), 0;
}
int cuCtxPushCurrent_v2(void* context) { return say("cuCtxPushCurrent %p", context), 0; }
int cuCtxPopCurrent_v2(void** context) {
  *context = (void*)0x1000;
  return say("cuCtxPopCurrent"), 0;
}
int cuModuleLoadData(void** module, const void* image) {
  say("cuModuleLoadData %s", (const char*)image);
  *module = (void*)0x2000;
  return 0;
}
int cuModuleUnload(void* module) { return say("cuModuleUnload %p", module), 0; }
int cuModuleGetFunction(void** function, void* module, const char* name) {
  say("cuModuleGetFunction %p %s", module, name);
  *function = (void*)0x3000;
  return strcmp(name, "absent") == 0 ? 500 : 0;
}
int cuFuncSetAttribute(void* function, int attribute, int value) {
  return say("cuFuncSetAttribute %p %d=%d", function, attribute, value), 0;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void* stream, void** parameters, void** extra) {
  const long long* fields = parameters[0];
  say("cuLaunchKernel %p %u,%u,%u %u,%u,%u %u %p [%lld,%lld,%lld] %p", function, gx, gy, gz, bx, by,
      bz, shared, stream, fields[0], fields[1], fields[2], (void*)extra);
  return 0;
}
int cuGetErrorName(int error, const char** name) {
  *name = error == 500 ? "CUDA_ERROR_NOT_FOUND" : NULL;
  return error == 500 ? 0 : 1;
}

// ---- NVRTC ----

static char program[4096];
static int refused;

const char* nvrtcGetErrorString(int code) {
  return code == 5 ? "NVRTC_ERROR_INVALID_OPTION" : "NVRTC_ERROR";
}
int nvrtcVersion(int* major, int* minor) { return *major = 13, *minor = 1, 0; }
int nvrtcGetNumSupportedArchs(int* count) { return *count = 3, 0; }
int nvrtcGetSupportedArchs(int* all) {
  all[0] = 80;
  all[1] = 90;
  all[2] = 100;
  return 0;
}
int nvrtcCreateProgram(void** out, const char* source, const char* name, int headers,
                       const char* const* texts, const char* const* names) {
  int n = snprintf(program, sizeof program, "%s=%s", name, source);
  for (int i = 0; i < headers; ++i)
    n += snprintf(program + n, sizeof program - (size_t)n, " %s=%s", names[i], texts[i]);
  *out = program;
  return 0;
}
int nvrtcDestroyProgram(void** program_) { return *program_ = NULL, say("nvrtcDestroyProgram"), 0; }
int nvrtcCompileProgram(void* program_, int count, const char* const* options) {
  char* text = program_;
  refused = 0;
  for (int i = 0; i < count; ++i) {
    if (strcmp(options[i], "-DREFUSE") == 0) refused = 1;
    if (strcmp(options[i], "--nonsense") == 0) return 5;
    strcat(strcat(text, " "), options[i]);
  }
  return refused ? 6 : 0;
}
int nvrtcGetProgramLogSize(void* program_, size_t* size) {
  return *size = program_ ? sizeof "k.cu(1): error: no\n" : 0, 0;
}
int nvrtcGetProgramLog(void* program_, char* log) {
  strcpy(log, program_ ? "k.cu(1): error: no\n" : "");
  return 0;
}
int nvrtcGetCUBINSize(void* program_, size_t* size) { return *size = strlen(program_) + 1, 0; }
int nvrtcGetCUBIN(void* program_, char* cubin) { return strcpy(cubin, program_), 0; }
