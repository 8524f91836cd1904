// The definition of matrix_product: plain loops, double accumulators.
#include "matrix_product.h"

#include "element_types.h"

namespace autocircuit {
namespace {

template <class Element>
void naive(const MatrixProductCall<Element>& a) {
  const int64_t w_k = a.transposed != 0 ? 1 : a.w_row;
  const int64_t w_n = a.transposed != 0 ? a.w_row : 1;
  for (int64_t m = 0; m < a.M; ++m) {
    for (int64_t n = 0; n < a.N; ++n) {
      double sum = a.start == nullptr ? 0 : a.start[m * a.start_m + n];
      for (int64_t k = 0; k < a.K; ++k) {
        sum += static_cast<double>(a.x[m * a.x_m + k]) * a.w[k * w_k + n * w_n];
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
