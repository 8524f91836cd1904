// The definition of matrix_product: plain loops, double accumulators.
#include "matrix_product.h"

namespace {

template <class Element>
void naive(int64_t M, int64_t N, int64_t K, const Element* x, int64_t x_m, const Element* w,
           int64_t w_k, int64_t w_n, const Element* start, int64_t start_m, Element* out,
           int64_t out_m) {
  for (int64_t m = 0; m < M; ++m) {
    for (int64_t n = 0; n < N; ++n) {
      double sum = start == nullptr ? 0 : start[m * start_m + n];
      for (int64_t k = 0; k < K; ++k) {
        sum += static_cast<double>(x[m * x_m + k]) * w[k * w_k + n * w_n];
      }
      out[m * out_m + n] = static_cast<Element>(sum);
    }
  }
}

}  // namespace

void matrix_product_naive(int32_t type, int64_t M, int64_t N, int64_t K, const void* x, int64_t x_m,
                          const void* w, int64_t w_row, int32_t transposed, const void* start,
                          int64_t start_m, void* out, int64_t out_m) {
  const auto call = [&](auto element) {
    using Element = decltype(element);
    naive<Element>(M, N, K, static_cast<const Element*>(x), x_m, static_cast<const Element*>(w),
                   transposed != 0 ? 1 : w_row, transposed != 0 ? w_row : 1,
                   static_cast<const Element*>(start), start_m, static_cast<Element*>(out), out_m);
  };
  if (type == ELEMENT_FLOAT64) {
    call(double{});
  } else {
    call(float{});
  }
}
