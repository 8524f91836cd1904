// What the kernels cut their work by. No result depends on it: sums are taken in the same order
// whatever the blocks.
#pragma once
#include <cstdint>

namespace autocircuit {

// Bytes of a core's second-level cache, as the system tells it when first asked, between 128 KiB and
// 4 MiB; 512 KiB where it does not.
int64_t second_level_bytes();

}  // namespace autocircuit
