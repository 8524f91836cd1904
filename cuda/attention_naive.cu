// attention_naive_*: the definition of attention.cu on the device, double sums; also the way for heads too
// wide for it. Formulas and shapes: native/include/attention.h. The pattern p, and in the gradient ds, go
// through scratch memory [B,H,T,T] each, as floats.
//
//   attention_naive_pattern     one thread per query (b,h,i): row i of p
//   attention_naive_output      one thread per (b,t,h): its row of z
//   attention_naive_slopes      one thread per query: row i of ds
//   attention_naive_gradients   one thread per (b,t,h): its rows of grad_qkv
//
// Launch: block (64), grid (ceil(B*H*T / 64)), in this order: pattern, output; pattern, slopes, gradients.
#include "common.cuh"

#ifndef AUTOCIRCUIT_BFLOAT16
#define AUTOCIRCUIT_BFLOAT16 0
#endif

namespace attention_naive_kernel {
using namespace autocircuit;

#if AUTOCIRCUIT_BFLOAT16
typedef Bfloat16 Element;
#else
typedef Float32 Element;
#endif
typedef Element::Storage Storage;

// One row (b,h,t) of a launch.
struct Row {
  const AttentionLaunch& a;
  Int b, h, t;

  __device__ Row(const AttentionLaunch& launch, Int i)
      : a(launch), b(i / (launch.H * launch.T)), h(i / launch.T % launch.H), t(i % launch.T) {}

  static __device__ Int index() { return static_cast<Int>(blockIdx.x) * blockDim.x + threadIdx.x; }
  static __device__ Int count(const AttentionLaunch& a) { return a.B * a.H * a.T; }

  __device__ Int joint(Int at, int part) const {
    return (((b * a.T + at) * 3 + part) * a.H + h) * a.W;
  }
  __device__ double input(Int at, int part, Int e) const {
    return Element::load(static_cast<const Storage*>(a.qkv)[joint(at, part) + e]);
  }
  __device__ double grad(Int at, Int e) const {
    return Element::load(
        static_cast<const Storage*>(a.grad_z)[((b * a.T + at) * a.H + h) * a.W + e]);
  }
  // Row t of p or ds.
  __device__ float* row(float* matrix, Int at) const {
    return matrix + ((b * a.H + h) * a.T + at) * a.T;
  }
  __device__ float* slopes() const { return a.scratch + count(a) * a.T; }

  // Channel e of x(channel) at a position, turned (sign 1) or turned back (-1).
  template <class Channel>
  __device__ double turned(Int at, Int e, double sign, Channel x) const {
    if (e >= a.R) return x(e);
    const Int half = a.R / 2;
    const bool lower = a.adjacent != 0 ? e % 2 == 0 : e < half;
    const Int partner = a.adjacent != 0 ? (lower ? e + 1 : e - 1) : lower ? e + half : e - half;
    const Int angle = b * a.rotation_b + at * a.R + e;
    const double cosine = Element::load(static_cast<const Storage*>(a.cosines)[angle]);
    const double sine = Element::load(static_cast<const Storage*>(a.sines)[angle]);
    return x(e) * cosine + sign * (lower ? -x(partner) : x(partner)) * sine;
  }
  // Channel e of a query (0) or key (1), turned.
  __device__ double angled(Int at, int part, Int e) const {
    return turned(at, e, 1, [&](Int channel) { return input(at, part, channel); });
  }
};

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) attention_naive_pattern(const AttentionLaunch a) {
  if (Row::index() >= Row::count(a)) return;
  const Row row(a, Row::index());
  float* const p = row.row(a.scratch, row.t);
  float most = -3.4e38f;
  for (Int j = 0; j < a.T; ++j) {
    double s = 0;
    for (Int e = 0; e < a.W; ++e) s += row.angled(row.t, 0, e) * row.angled(j, 1, e);
    s *= a.scale;
    if (a.mask != nullptr) {
      s += Element::load(static_cast<const Storage*>(a.mask)[row.b * a.mask_b + row.t * a.T + j]);
    }
    p[j] = static_cast<float>(s);
    most = p[j] > most ? p[j] : most;
  }
  double sum = 0;
  for (Int j = 0; j < a.T; ++j) sum += expf(p[j] - most);
  for (Int j = 0; j < a.T; ++j) p[j] = static_cast<float>(expf(p[j] - most) / sum);
}

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) attention_naive_output(const AttentionLaunch a) {
  if (Row::index() >= Row::count(a)) return;
  const Row row(a, Row::index());
  const float* const p = row.row(a.scratch, row.t);
  for (Int e = 0; e < a.W; ++e) {
    double z = 0;
    for (Int j = 0; j < a.T; ++j) z += p[j] * row.input(j, 2, e);
    static_cast<Storage*>(a.z)[((row.b * a.T + row.t) * a.H + row.h) * a.W + e] =
        Element::store(static_cast<float>(z));
  }
}

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) attention_naive_slopes(const AttentionLaunch a) {
  if (Row::index() >= Row::count(a)) return;
  const Row row(a, Row::index());
  const float* const p = row.row(a.scratch, row.t);
  float* const ds = row.row(row.slopes(), row.t);
  double inner = 0;
  for (Int j = 0; j < a.T; ++j) {
    double dp = 0;
    for (Int e = 0; e < a.W; ++e) dp += row.grad(row.t, e) * row.input(j, 2, e);
    ds[j] = static_cast<float>(dp);
    inner += dp * p[j];
  }
  for (Int j = 0; j < a.T; ++j) ds[j] = static_cast<float>(a.scale * p[j] * (ds[j] - inner));
}

AUTOCIRCUIT_ENTRY void __launch_bounds__(64) attention_naive_gradients(const AttentionLaunch a) {
  if (Row::index() >= Row::count(a)) return;
  const Row row(a, Row::index());
  Storage* const to = static_cast<Storage*>(a.grad_qkv);
  for (Int e = 0; e < a.W; ++e) {
    // of the turned query and key, computed again for the partner of each channel
    const auto query = [&](Int channel) {
      double sum = 0;
      for (Int j = 0; j < a.T; ++j) {
        sum += row.row(row.slopes(), row.t)[j] * row.angled(j, 1, channel);
      }
      return sum;
    };
    const auto key = [&](Int channel) {
      double sum = 0;
      for (Int i = 0; i < a.T; ++i) {
        sum += row.row(row.slopes(), i)[row.t] * row.angled(i, 0, channel);
      }
      return sum;
    };
    double value = 0;
    for (Int i = 0; i < a.T; ++i) value += row.row(a.scratch, i)[row.t] * row.grad(i, e);
    to[row.joint(row.t, 0) + e] =
        Element::store(static_cast<float>(row.turned(row.t, e, -1, query)));
    to[row.joint(row.t, 1) + e] = Element::store(static_cast<float>(row.turned(row.t, e, -1, key)));
    to[row.joint(row.t, 2) + e] = Element::store(static_cast<float>(value));
  }
}

}  // namespace attention_naive_kernel
