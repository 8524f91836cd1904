// The definition of patch_forward: plain loops, double accumulators.
#include <cmath>
#include <vector>

#include "element_types.h"
#include "patch_forward.h"

namespace autocircuit {
namespace {

template <class Element>
void naive(const PatchForwardCall<Element>& a) {
  std::vector<double> x(static_cast<std::size_t>(a.D));
  const double length = a.D == 0 ? 1 : static_cast<double>(a.D);  // the mean of nothing is 0
  for (int64_t k = 0; k < a.K; ++k) {
    for (int64_t b = 0; b < a.B; ++b) {
      for (int64_t t = 0; t < a.T; ++t) {
        for (int64_t d = 0; d < a.D; ++d) x[d] = a.resid[b * a.resid_b + t * a.resid_t + d];
        for (int64_t s = 0; s < a.S; ++s) {
          const double m = a.mask[b * a.mask_b + t * a.mask_t + k * a.mask_k + s];
          const Element* delta = a.delta + s * a.delta_s + b * a.delta_b + t * a.delta_t;
          for (int64_t d = 0; m != 0 && d < a.D; ++d) x[d] += m * delta[d];
        }
        double mean = 0;
        if (a.normalization == NORMALIZATION_LAYER_NORM) {
          for (int64_t d = 0; d < a.D; ++d) mean += x[d];
          mean /= length;
        }
        double rstd = 1;
        if (a.normalization != NORMALIZATION_NONE) {
          double square = 0;
          for (int64_t d = 0; d < a.D; ++d) square += (x[d] - mean) * (x[d] - mean);
          rstd = 1 / std::sqrt(square / length + a.epsilon);
        }
        const int64_t row = (k * a.B + b) * a.T + t;
        for (int64_t d = 0; d < a.D; ++d) {
          a.out[row * a.D + d] = static_cast<Element>((x[d] - mean) * rstd);
        }
        if (a.rstd != nullptr) a.rstd[row] = static_cast<Element>(rstd);
      }
    }
  }
}

}  // namespace
}  // namespace autocircuit

void patch_forward_naive(const autocircuit::PatchForwardCall<void>* call) {
  autocircuit::with_elements(call, [](const auto& a) { autocircuit::naive(a); });
}
