// patch_forward_naive: the definition of patch_forward.cu on the device, one thread per row (k,b,t),
// double sums. Slow: for checks, and for rows of more channels than the fused kernel takes.
//
// Formula, shapes, bytes and operations: as there, but delta is read once per destination, and x is
// computed anew for the mean, for the variance and for out.
//
// Launch: block (64), grid (ceil(K*B*T / 64)). Parameters as there; rows, tiles_per_group and chunk
// are not read.
#include "common.cuh"

#ifndef AUTOCIRCUIT_BFLOAT16
#define AUTOCIRCUIT_BFLOAT16 0
#endif

namespace patch_forward_naive_kernel {
using namespace autocircuit;

#if AUTOCIRCUIT_BFLOAT16
typedef Bfloat16 Element;
#else
typedef Float32 Element;
#endif
typedef Element::Storage Storage;

// Normalises and writes row (k,b,t), whose channel d before normalisation is value(d).
template <class Function>
__device__ void write_row(const ForwardLaunch& a, Int to, Function value) {
  double mean = 0;
  if (a.normalization == NORMALIZATION_LAYER_NORM) {
    for (Int d = 0; d < a.D; ++d) mean += value(d);
    mean /= static_cast<double>(a.D);
  }
  double rstd = 1;
  if (a.normalization != NORMALIZATION_NONE) {
    double square = 0;
    for (Int d = 0; d < a.D; ++d) {
      const double x = value(d) - mean;
      square += x * x;
    }
    rstd = 1 / sqrt(square / static_cast<double>(a.D) + a.epsilon);
  }
  for (Int d = 0; d < a.D; ++d) {
    static_cast<Storage*>(a.out)[to * a.D + d] =
        Element::store(static_cast<float>((value(d) - mean) * rstd));
  }
  if (a.rstd != nullptr) {
    static_cast<Storage*>(a.rstd)[to] = Element::store(static_cast<float>(rstd));
  }
}

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) patch_forward_naive(const ForwardLaunch a) {
  const Int i = static_cast<Int>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.K * a.B * a.T) return;
  const Int k = i / (a.B * a.T);
  const Int b = i / a.T % a.B;
  const Int t = i % a.T;
  const Storage* const resid = static_cast<const Storage*>(a.resid) + b * a.resid_b + t * a.resid_t;
  const Storage* const delta = static_cast<const Storage*>(a.delta) + b * a.delta_b + t * a.delta_t;
  const Storage* const mask =
      static_cast<const Storage*>(a.mask) + b * a.mask_b + t * a.mask_t + k * a.mask_k;
  write_row(a, i, [&](Int d) {
    double x = Element::load(resid[d]);
    for (Int s = 0; s < a.S; ++s) {
      const float m = Element::load(mask[s]);
      if (m != 0) x += static_cast<double>(m) * Element::load(delta[s * a.delta_s + d]);
    }
    return x;
  });
}

}  // namespace patch_forward_naive_kernel
