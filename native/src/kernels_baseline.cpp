// The kernels compiled for the platform's default instruction set; native/build.sh sets the flags.
#define AUTOCIRCUIT_INSTRUCTION_SET baseline
#include "kernels.inl"
