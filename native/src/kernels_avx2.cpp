// The kernels compiled for AVX2 and FMA; native/build.sh sets the flags.
#define AUTOCIRCUIT_INSTRUCTION_SET avx2
#include "kernels.inl"
