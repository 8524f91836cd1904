#include "cache_sizes.h"

#include <unistd.h>

namespace autocircuit {
namespace {

#if !defined(AUTOCIRCUIT_SECOND_LEVEL_BYTES)  // tests choose one
constexpr int64_t kUnknown = 512 * 1024;
constexpr int64_t kLeast = 128 * 1024;
constexpr int64_t kMost = 4096 * 1024;  // beyond, it is shared by cores

int64_t read_second_level_bytes() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const int64_t bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
  const int64_t bytes = 0;
#endif
  if (bytes <= 0) return kUnknown;
  return bytes < kLeast ? kLeast : bytes > kMost ? kMost : bytes;
}
#endif

}  // namespace

int64_t second_level_bytes() {
#if defined(AUTOCIRCUIT_SECOND_LEVEL_BYTES)
  return AUTOCIRCUIT_SECOND_LEVEL_BYTES;
#else
  static const int64_t bytes = read_second_level_bytes();
  return bytes;
#endif
}

}  // namespace autocircuit
