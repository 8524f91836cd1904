// The kernels compiled for AVX-512F; native/build.sh sets the flags.
#define AUTOCIRCUIT_INSTRUCTION_SET avx512
#include "kernels.inl"
