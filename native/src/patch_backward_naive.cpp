// The definition of patch_backward: plain loops, double accumulators.
#include <cmath>
#include <vector>

#include "element_types.h"
#include "patch_backward.h"

namespace autocircuit {
namespace {

template <class Element>
void norm_backward(const PatchBackwardCall<Element>& a, int64_t k, int64_t b, int64_t t) {
  Element* g = a.grad + ((k * a.B + b) * a.T + t) * a.D;
  const Element* n = a.normalized + k * a.normalized_k + b * a.normalized_b + t * a.normalized_t;
  const double rstd = a.rstd[k * a.rstd_k + b * a.rstd_b + t * a.rstd_t];
  double mean = 0;
  double slope = 0;
  for (int64_t d = 0; d < a.D; ++d) {
    if (a.normalization == NORMALIZATION_LAYER_NORM) mean += g[d];
    slope += static_cast<double>(g[d]) * n[d];
  }
  mean /= static_cast<double>(a.D);
  slope /= static_cast<double>(a.D);
  for (int64_t d = 0; d < a.D; ++d)
    g[d] = static_cast<Element>(rstd * (g[d] - mean - n[d] * slope));
}

template <class Element>
void naive(const PatchBackwardCall<Element>& a) {
  const int64_t prompts = a.per_prompt ? a.B : 1;
  const int64_t positions = a.per_position ? a.T : 1;
  std::vector<double> mask_grad(
      a.mask_grad == nullptr ? 0 : static_cast<std::size_t>(prompts * positions * a.K * a.S));
  std::vector<double> sums(static_cast<std::size_t>(a.D));
  for (int64_t b = 0; b < a.B; ++b) {
    for (int64_t t = 0; t < a.T; ++t) {
      const auto g = [&](int64_t k) { return a.grad + ((k * a.B + b) * a.T + t) * a.D; };
      if (a.normalization != NORMALIZATION_NONE) {
        for (int64_t k = 0; k < a.K; ++k) norm_backward(a, k, b, t);
      }
      if (a.mask_grad != nullptr) {
        const int64_t group = (a.per_prompt ? b : 0) * positions + (a.per_position ? t : 0);
        for (int64_t k = 0; k < a.K; ++k) {
          for (int64_t s = 0; s < a.S; ++s) {
            const Element* delta = a.delta + s * a.delta_s + b * a.delta_b + t * a.delta_t;
            double sum = 0;
            for (int64_t d = 0; d < a.D; ++d) sum += static_cast<double>(g(k)[d]) * delta[d];
            mask_grad[static_cast<std::size_t>((group * a.K + k) * a.S + s)] += sum;
          }
        }
      }
      if (a.resid_grad != nullptr) {
        Element* to = a.resid_grad + b * a.resid_b + t * a.resid_t;
        for (int64_t d = 0; d < a.D; ++d) {
          double sum = to[d];
          for (int64_t k = 0; k < a.K; ++k) sum += g(k)[d];
          to[d] = static_cast<Element>(sum);
        }
      }
      if (a.delta_grad != nullptr) {
        const Element* mask = a.mask + b * a.mask_b + t * a.mask_t;
        for (int64_t s = 0; s < a.S; ++s) {
          Element* to = a.delta_grad + s * a.grad_s + b * a.grad_b + t * a.grad_t;
          for (int64_t d = 0; d < a.D; ++d) sums[d] = to[d];
          for (int64_t k = 0; k < a.K; ++k) {
            const double m = mask[k * a.mask_k + s];
            for (int64_t d = 0; d < a.D; ++d) sums[d] += m * g(k)[d];
          }
          for (int64_t d = 0; d < a.D; ++d) to[d] = static_cast<Element>(sums[d]);
        }
      }
    }
  }
  for (std::size_t i = 0; i < mask_grad.size(); ++i) {
    a.mask_grad[i] = static_cast<Element>(mask_grad[i]);
  }
}

}  // namespace
}  // namespace autocircuit

void patch_backward_naive(const autocircuit::PatchBackwardCall<void>* call) {
  autocircuit::with_elements(call, [](const auto& a) { autocircuit::naive(a); });
}
