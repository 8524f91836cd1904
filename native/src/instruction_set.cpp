#include "instruction_set.h"

#include <stdexcept>
#include <string>

#include "instruction_sets.h"

// AUTOCIRCUIT_BASELINE_ONLY: the other sets are not linked (tests).
#if defined(__x86_64__) && !defined(AUTOCIRCUIT_BASELINE_ONLY)
#define AUTOCIRCUIT_X86_SETS
#endif

int32_t instruction_set_available(int32_t set) {
  switch (set) {
    case INSTRUCTION_SET_BASELINE:
      return 1;
#if defined(AUTOCIRCUIT_X86_SETS)
    case INSTRUCTION_SET_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case INSTRUCTION_SET_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma");
#endif
    default:
      return 0;
  }
}

namespace autocircuit {

namespace {
void require(int32_t set) {
  if (!instruction_set_available(set)) {
    throw std::invalid_argument("instruction_set=" + std::to_string(set) +
                                " is not available on this machine");
  }
}
}  // namespace

template <>
const Implementation<float>& implementation<float>(int32_t set) {
  require(set);
#if defined(AUTOCIRCUIT_X86_SETS)
  if (set == INSTRUCTION_SET_AVX512) return avx512::float_kernels;
  if (set == INSTRUCTION_SET_AVX2) return avx2::float_kernels;
#endif
  return baseline::float_kernels;
}

template <>
const Implementation<double>& implementation<double>(int32_t set) {
  require(set);
#if defined(AUTOCIRCUIT_X86_SETS)
  if (set == INSTRUCTION_SET_AVX512) return avx512::double_kernels;
  if (set == INSTRUCTION_SET_AVX2) return avx2::double_kernels;
#endif
  return baseline::double_kernels;
}

}  // namespace autocircuit
