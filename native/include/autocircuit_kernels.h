#pragma once
#include <cstdint>
int32_t ac_version();
