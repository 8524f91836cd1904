// The definition of matrix_product: plain loops, double accumulators.
#include "matrix_product.h"

#include <cmath>
#include <cstring>

#include "element_types.h"

namespace autocircuit {
namespace {

// What bits of a binary16 stand for: finite numbers.
double binary16(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits >> 15 != 0 ? -magnitude : magnitude;
}

template <class Element>
double weight(const MatrixProductCall<Element>& a, int64_t at) {
  if (a.w_type == ELEMENT_FLOAT16) return binary16(static_cast<const uint16_t*>(a.w)[at]);
  if (a.w_type == ELEMENT_BFLOAT16) {
    const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(a.w)[at]) << 16;
    float upper;
    std::memcpy(&upper, &bits, sizeof upper);
    return upper;
  }
  return static_cast<const Element*>(a.w)[at];
}

template <class Element>
void naive(const MatrixProductCall<Element>& a) {
  const int64_t w_k = a.transposed != 0 ? 1 : a.w_row;
  const int64_t w_n = a.transposed != 0 ? a.w_row : 1;
  for (int64_t m = 0; m < a.M; ++m) {
    for (int64_t n = 0; n < a.N; ++n) {
      double sum = a.start == nullptr ? 0 : a.start[m * a.start_m + n];
      for (int64_t k = 0; k < a.K; ++k) {
        sum += static_cast<double>(a.x[m * a.x_m + k]) * weight(a, k * w_k + n * w_n);
      }
      a.out[m * a.out_m + n] = static_cast<Element>(sum);
    }
  }
}

}  // namespace
}  // namespace autocircuit

void matrix_product_naive(const autocircuit::MatrixProductCall<void>* call) {
  autocircuit::with_elements(call, [](const auto& a) { autocircuit::naive(a); });
}
