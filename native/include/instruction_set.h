// The instruction sets the kernels are compiled for. Every kernel exists once per set; the caller
// names the set, so that a test can run all sets the machine has.
#pragma once
#include <cstdint>

enum instruction_set : int32_t {
  INSTRUCTION_SET_BASELINE = 0,  // x86-64 (SSE2), or whatever the platform's compiler defaults to
  INSTRUCTION_SET_AVX2 = 1,      // AVX2 and FMA
  INSTRUCTION_SET_AVX512 = 2,    // AVX-512F
};

extern "C" {
// 1 if this processor (and operating system) runs `set`, else 0; 0 for an unknown number.
int32_t instruction_set_available(int32_t set);
}
