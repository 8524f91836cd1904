#include "autocircuit_kernels.h"
int32_t ac_version() { return 1; }
