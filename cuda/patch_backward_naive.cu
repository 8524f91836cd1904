// The definitions of patch_backward.cu and patch_backward_mask.cu on the device: plain loops, double
// sums. Slow: for checks, and for rows of more channels than the fused kernels take. In this order:
//
//   patch_backward_naive_norm    grad becomes g'; one thread per row (k,b,t)
//   patch_backward_naive_resid   resid_grad += sum_k g'; one thread per row (b,t)
//   patch_backward_naive_delta   delta_grad += sum_k mask * g'; one thread per row (s,b,t)
//   patch_backward_naive_mask    mask_grad; one thread per entry (group,k,s)
//
// Formula and shapes: as there. Bytes moved: as there, but g' is read once per source by _delta and
// by _mask, and delta once per destination. Operations: as there.
//
// Launch: block (64), grid (ceil(threads / 64)). The fields rows, tiles_per_group, chunk, first, and
// partial, chunk_rows, chunks_per_group are not read, but rows is by _mask.
#include "common.cuh"

#ifndef AUTOCIRCUIT_BFLOAT16
#define AUTOCIRCUIT_BFLOAT16 0
#endif

namespace patch_backward_naive_kernel {
using namespace autocircuit;

#if AUTOCIRCUIT_BFLOAT16
typedef Bfloat16 Element;
#else
typedef Float32 Element;
#endif
typedef Element::Storage Storage;

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) patch_backward_naive_norm(const BackwardLaunch a) {
  const Int i = static_cast<Int>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.K * a.B * a.T) return;
  const Int k = i / (a.B * a.T);
  const Int b = i / a.T % a.B;
  const Int t = i % a.T;
  Storage* const g = static_cast<Storage*>(a.grad) + i * a.D;
  const Storage* const n = static_cast<const Storage*>(a.normalized) + k * a.normalized_k +
                           b * a.normalized_b + t * a.normalized_t;
  const double rstd = Element::load(
      static_cast<const Storage*>(a.rstd)[k * a.rstd_k + b * a.rstd_b + t * a.rstd_t]);
  double mean = 0;
  double slope = 0;
  for (Int d = 0; d < a.D; ++d) {
    if (a.normalization == NORMALIZATION_LAYER_NORM) mean += Element::load(g[d]);
    slope += static_cast<double>(Element::load(g[d])) * Element::load(n[d]);
  }
  mean /= static_cast<double>(a.D);
  slope /= static_cast<double>(a.D);
  for (Int d = 0; d < a.D; ++d) {
    g[d] = Element::store(
        static_cast<float>(rstd * (Element::load(g[d]) - mean - Element::load(n[d]) * slope)));
  }
}

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) patch_backward_naive_resid(const BackwardLaunch a) {
  const Int row = static_cast<Int>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= a.B * a.T) return;
  const Storage* const g = static_cast<const Storage*>(a.grad) + row * a.D;
  Storage* const to =
      static_cast<Storage*>(a.resid_grad) + row / a.T * a.resid_b + row % a.T * a.resid_t;
  for (Int d = 0; d < a.D; ++d) {
    double sum = Element::load(to[d]);
    for (Int k = 0; k < a.K; ++k) sum += Element::load(g[k * a.B * a.T * a.D + d]);
    to[d] = Element::store(static_cast<float>(sum));
  }
}

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) patch_backward_naive_delta(const BackwardLaunch a) {
  const Int i = static_cast<Int>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.S * a.B * a.T) return;
  const Int s = i / (a.B * a.T);
  const Int b = i / a.T % a.B;
  const Int t = i % a.T;
  const Storage* const g = static_cast<const Storage*>(a.grad) + (b * a.T + t) * a.D;
  const Storage* const mask = static_cast<const Storage*>(a.mask) + b * a.mask_b + t * a.mask_t + s;
  Storage* const to =
      static_cast<Storage*>(a.delta_grad) + s * a.grad_s + b * a.grad_b + t * a.grad_t;
  bool used = false;
  for (Int k = 0; k < a.K; ++k) used = used || Element::load(mask[k * a.mask_k]) != 0;
  if (!used) return;
  for (Int d = 0; d < a.D; ++d) {
    double sum = Element::load(to[d]);
    for (Int k = 0; k < a.K; ++k) {
      sum += static_cast<double>(Element::load(mask[k * a.mask_k])) *
             Element::load(g[k * a.B * a.T * a.D + d]);
    }
    to[d] = Element::store(static_cast<float>(sum));
  }
}

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) patch_backward_naive_mask(const MaskGradientLaunch a) {
  const Int i = static_cast<Int>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.rows.groups * a.K * a.S) return;
  const Int group = i / (a.K * a.S);
  const Int k = i / a.S % a.K;
  const Int s = i % a.S;
  double sum = 0;
  for (Int r = 0; r < a.rows.group_rows; ++r) {
    const Int row = group * a.rows.group_step + r * a.rows.row_step;
    const Storage* const g = static_cast<const Storage*>(a.grad) + (k * a.B * a.T + row) * a.D;
    const Storage* const delta = static_cast<const Storage*>(a.delta) + s * a.delta_s +
                                 row / a.T * a.delta_b + row % a.T * a.delta_t;
    for (Int d = 0; d < a.D; ++d) {
      sum += static_cast<double>(Element::load(g[d])) * Element::load(delta[d]);
    }
  }
  static_cast<Storage*>(a.mask_grad)[i] = Element::store(static_cast<float>(sum));
}

}  // namespace patch_backward_naive_kernel
