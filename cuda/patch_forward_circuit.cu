// patch_forward_circuit: patch_forward where every row of the mask holds zeros and ones, given as
// lists of the sources that are patched.
//
//   x[k,b,t,d] = resid[b,t,d] + sum_{e in list (l,k)} delta[sources[e],b,t,d]
//   list (l,k) = offsets[l*K + k] ... offsets[l*K + k + 1]
//   l          = b / prompts_per_list * list_positions + (list_positions > 1 ? t : 0)
//
// and then the normalisation, out and rstd as in patch_forward.cu: the result is that of the dense
// mask with ones at the listed sources. Several circuits in one launch: the prompts axis holds
// circuits * prompts, prompts_per_list is the number of prompts.
//
// Shapes and strides:
//   resid    [B,T,D], delta [S,B,T,D]     any strides but the last
//   offsets  [L*K + 1] int32              ascending from 0; L lists per destination
//   sources  [offsets[L*K]] int32         in [0,S), in the order of summation (ascending, to agree
//                                         with patch_forward)
//   out [K,B,T,D], rstd [K,B,T] or null   contiguous, written
//
// Bytes moved (e = element size, n = listed edges per row (b,t)): reads e*B*T*D*K of resid (from the
// L2 cache but for the first time) and e*B*T*D*n of delta (from the L2 cache but for the first
// destination that lists a source), writes e*B*T*D*K.
// Operations: n*B*T*D for the sums, about 8*K*B*T*D for the normalisation.
// Bound: memory. On an H100 at K = 36, D = 768, B*T = 4096, float32 and few edges, the 0.45 GB of out
// take 0.14 ms of 3.35 TB/s.
//
// Layout. The warps of one row (b,t,k) cover its channels as in patch_forward.cu; several rows make
// a block. Consecutive rows are the destinations of one (b,t), so what they share is read while it
// is in a cache. A thread keeps up to 8 sources in flight. The cost follows the edges: a destination
// without any costs one read and one write.
//
// The sums run in the order of the lists and the normalisation as in patch_forward: for the same
// D, alignment and element type the bits are those of the dense kernel.
//
// Launch: block (32 * warps of a row, rows of a block), grid (blocks).
#include "common.cuh"

#ifndef AUTOCIRCUIT_BFLOAT16
#define AUTOCIRCUIT_BFLOAT16 0
#endif

namespace patch_forward_circuit_kernel {
using namespace autocircuit;

#if AUTOCIRCUIT_BFLOAT16
typedef Bfloat16 Element;
#else
typedef Float32 Element;
#endif
typedef Element::Storage Storage;

constexpr int kVector = AUTOCIRCUIT_VECTOR;  // channels of one access
constexpr int kPieces = AUTOCIRCUIT_PIECES;  // accesses of a thread per row
constexpr int kChannels = kVector * kPieces;
constexpr int kFlight = kChannels <= 4 ? 8 : kChannels <= 8 ? 4 : kChannels <= 16 ? 2 : 1;
typedef Pack<Element, kVector> Access;

AUTOCIRCUIT_ENTRY void __launch_bounds__(AUTOCIRCUIT_THREADS, AUTOCIRCUIT_BLOCKS)
    patch_forward_circuit(const CircuitParameters a) {
  AUTOCIRCUIT_SHARED(shared);
  const int lanes = static_cast<int>(blockDim.x);
  const int x = static_cast<int>(threadIdx.x);
  const int y = static_cast<int>(threadIdx.y);
  const int block_rows = static_cast<int>(blockDim.y);
  const int D = static_cast<int>(a.D);
  Arena arena = {shared};
  const RowSums<1, AUTOCIRCUIT_THREADS / 32> sums(arena, y, lanes / 32, x);
  const Storage* const resid = static_cast<const Storage*>(a.resid);
  const Storage* const delta = static_cast<const Storage*>(a.delta);
  const Int rows = a.B * a.T;
  const Int items = rows * a.K;

  for (Int first = static_cast<Int>(blockIdx.x) * block_rows; first < items;
       first += static_cast<Int>(gridDim.x) * block_rows) {
    const bool inside = first + y < items;
    const Int item = inside ? first + y : 0;
    const Int row = item / a.K;
    const Int k = item % a.K;
    const Int b = row / a.T;
    const Int t = row % a.T;
    const Int list =
        (b / a.prompts_per_list * a.list_positions + (a.list_positions > 1 ? t : 0)) * a.K + k;

    float sum[kChannels];
    const Storage* const resid_row = resid + b * a.resid_b + t * a.resid_t;
#pragma unroll
    for (int p = 0; p < kPieces; ++p) {
      const int d = (p * lanes + x) * kVector;
#pragma unroll
      for (int c = 0; c < kVector; ++c) sum[p * kVector + c] = 0;
      if (d < D) Access::load(resid_row + d, &sum[p * kVector]);
    }
    const Storage* const delta_row = delta + b * a.delta_b + t * a.delta_t;
    const int end = a.offsets[list + 1];
    for (int e = a.offsets[list]; e < end; e += kFlight) {
      typename Access::Type whole[kFlight][kPieces];
#pragma unroll
      for (int j = 0; j < kFlight; ++j) {
        if (e + j < end) {
          const Storage* const from = delta_row + a.sources[e + j] * a.delta_s;
#pragma unroll
          for (int p = 0; p < kPieces; ++p) {
            const int d = (p * lanes + x) * kVector;
            if (d < D) {
              whole[j][p] = *reinterpret_cast<const typename Access::Type*>(from + d);
            }
          }
        }
      }
#pragma unroll
      for (int j = 0; j < kFlight; ++j) {
        if (e + j < end) {
#pragma unroll
          for (int p = 0; p < kPieces; ++p) {
            if ((p * lanes + x) * kVector < D) {
              float v[kVector];
              Access::unpack(whole[j][p], v);
#pragma unroll
              for (int c = 0; c < kVector; ++c) sum[p * kVector + c] += v[c];
            }
          }
        }
      }
    }

    const float length = static_cast<float>(D);
    if (a.normalization == LAYER_NORM) {
      float part[1] = {0};
#pragma unroll
      for (int c = 0; c < kChannels; ++c) part[0] += sum[c];
      sums.add(0, part);
      sums.finish([&](int, float total) { return total / length; });
      const float mean = sums.results[0];
#pragma unroll
      for (int c = 0; c < kChannels; ++c) {
        if ((c / kVector * lanes + x) * kVector < D) sum[c] -= mean;
      }
    }
    float rstd = 1;
    if (a.normalization != NONE) {
      float part[1] = {0};
#pragma unroll
      for (int c = 0; c < kChannels; ++c) part[0] = multiply_add(sum[c], sum[c], part[0]);
      sums.add(0, part);
      const float epsilon = static_cast<float>(a.epsilon);
      sums.finish([&](int, float total) { return 1.0f / sqrtf(total / length + epsilon); });
      rstd = sums.results[0];
    }
    if (!inside) continue;
    const Int to = k * rows + row;
#pragma unroll
    for (int p = 0; p < kPieces; ++p) {
      const int d = (p * lanes + x) * kVector;
#pragma unroll
      for (int c = 0; c < kVector; ++c) sum[p * kVector + c] *= rstd;
      if (d < D) {
        Access::store(static_cast<Storage*>(a.out) + to * D + d, &sum[p * kVector]);
      }
    }
    if (a.rstd != nullptr && x == 0) static_cast<Storage*>(a.rstd)[to] = Element::store(rstd);
  }
}

}  // namespace patch_forward_circuit_kernel
