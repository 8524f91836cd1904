// patch_backward: the gradient of patch_forward with respect to its inputs; what remains, the gradient
// with respect to the mask, is patch_backward_mask.cu.
//
// With g = dL/dout, n = the normalised output and r = rstd of the forward call, per row (k,b,t):
//
//   NONE:        g'[d] = g[d]
//   LAYER_NORM:  g'[d] = r * (g[d] - mean_d g - n[d] * mean_d(g n))
//   RMS_NORM:    g'[d] = r * (g[d] - n[d] * mean_d(g n))
//
// then
//   grad                   becomes g' in place
//   resid_grad[b,t,d]      += sum_k g'[k,b,t,d]
//   delta_grad[s,b,t,d]    += sum_k mask[b,t,k,s] * g'[k,b,t,d]
//
// Shapes and strides (strides in elements, the last axis always contiguous):
//   grad        [K,B,T,D]   contiguous, read and written
//   normalized  [K,B,T,D]   strides normalized_k, _b, _t (0 broadcasts); ignored for NONE
//   rstd        [K,B,T]     strides rstd_k, _b, _t (0 broadcasts); ignored for NONE
//   mask        [B,T,K,S]   strides mask_b, mask_t, mask_k (0 broadcasts); needed with delta_grad
//   resid_grad  [B,T,D]     strides resid_b, resid_t, accumulated; null: not computed
//   delta_grad  [S,B,T,D]   strides grad_s, grad_b, grad_t, accumulated; null: not computed (pass
//                           S = 0). Sources whose mask is zero in all destinations are not touched.
// All tensors are float32, or all bfloat16 (-DAUTOCIRCUIT_BFLOAT16=1); sums are float32.
//
// Bytes moved (e = element size): 3*e*K*B*T*D for the normalisation (normalized passes twice, the
// second time out of a cache), 2*e*S*B*T*D for delta_grad, 2*e*B*T*D for resid_grad.
// Operations: 2*K*S*B*T*D for delta_grad, about 8*K*B*T*D for the rest.
// Bound on an H100 (3.35 TB/s, 67 TFLOP/s float32), K = 36, S = 144, D = 768, B*T = 4096, float32:
// 5.0 GB in 1.5 ms; 33 GFLOP in 0.50 ms. Memory binds.
//
// Layout. That of patch_forward.cu, with the roles exchanged: a thread owns VECTOR * PIECES channels
// of one row (b,t) and keeps g' of DESTINATIONS destinations for them in registers, from the first
// read of grad to the last row of delta_grad; so grad passes once. Rows of delta_grad arrive through
// a ring of cp.async slots, each thread copying what it alone reads and writes; the mask is read as
// broadcast float4. The product has one sum per channel and source: two sums each (over two halves
// of the destinations of four) keep the arithmetic from waiting for itself.
//
// One launch takes the destinations first ... first + DESTINATIONS - 1; launches for more follow one
// another, each adding to resid_grad and delta_grad (in bfloat16, rounding in between).
//
// Order of summation: over d by lane, warp and channel of the thread as D and the alignment demand;
// over k ascending in the way above; nothing depends on other rows. No atomics on floats.
//
// Launch: block (32 * warps of a row, rows of a tile), grid (blocks).
#include "common.cuh"

#ifndef AUTOCIRCUIT_BFLOAT16
#define AUTOCIRCUIT_BFLOAT16 0
#endif

namespace patch_backward_kernel {
using namespace autocircuit;

#if AUTOCIRCUIT_BFLOAT16
typedef Bfloat16 Element;
#else
typedef Float32 Element;
#endif
typedef Element::Storage Storage;

constexpr int kVector = AUTOCIRCUIT_VECTOR;              // channels of one access
constexpr int kPieces = AUTOCIRCUIT_PIECES;              // accesses of a thread per row
constexpr int kDestinations = AUTOCIRCUIT_DESTINATIONS;  // of a launch
constexpr int kStages = AUTOCIRCUIT_STAGES;              // slots of the ring
constexpr int kWidth = round_up(kDestinations, 4);       // of the mask in shared memory
constexpr int kChannels = kVector * kPieces;
typedef Pack<Element, kVector> Access;

struct Place {
  Int b, t, row;
  bool inside;

  __device__ __forceinline__ Place(const BackwardParameters& a, Int group, int first) {
    const int i = first + static_cast<int>(threadIdx.y);
    inside = i < a.rows.group_rows;
    row = group * a.rows.group_step + (inside ? i : 0) * a.rows.row_step;
    const int positions = static_cast<int>(a.T);
    b = static_cast<int>(row) / positions;
    t = static_cast<int>(row) % positions;
  }
};

AUTOCIRCUIT_ENTRY void __launch_bounds__(AUTOCIRCUIT_THREADS, AUTOCIRCUIT_BLOCKS)
    patch_backward(const BackwardParameters a) {
  AUTOCIRCUIT_SHARED(shared);
  const int lanes = static_cast<int>(blockDim.x);
  const int tile_rows = static_cast<int>(blockDim.y);
  const int threads = lanes * tile_rows;
  const int x = static_cast<int>(threadIdx.x);
  const int thread = static_cast<int>(threadIdx.y) * lanes + x;
  const int D = static_cast<int>(a.D);
  const int S = static_cast<int>(a.S);
  const int chunk = static_cast<int>(a.chunk);
  const int first_destination = static_cast<int>(a.first);
  const int destinations = static_cast<int>(a.K) - first_destination < kDestinations
                               ? static_cast<int>(a.K) - first_destination
                               : kDestinations;

  Arena arena = {shared};
  typename Access::Type* const ring =
      arena.take<typename Access::Type>(kStages * kPieces * threads) + thread;
  MaskTile mask(arena, chunk, kWidth);
  const RowSums<2 * kDestinations> sums(arena, tile_rows, static_cast<int>(threadIdx.y), lanes / 32,
                                        x);

  Storage* const grad = static_cast<Storage*>(a.grad);
  const Storage* const normalized = static_cast<const Storage*>(a.normalized);
  const Storage* const rstds = static_cast<const Storage*>(a.rstd);
  Storage* const resid_grad = static_cast<Storage*>(a.resid_grad);
  Storage* const delta_grad = static_cast<Storage*>(a.delta_grad);
  const Int rows = a.B * a.T;
  const auto channel = [&](int p) { return (p * lanes + x) * kVector; };

  const Int tiles = a.rows.groups * a.tiles_per_group;
  const Int end = tiles * (blockIdx.x + 1) / gridDim.x;
  Int mask_group = -1;
  int used = 0;
  for (Int tile = tiles * blockIdx.x / gridDim.x; tile < end; ++tile) {
    const Int group = tile / a.tiles_per_group;
    const Place place(a, group, static_cast<int>(tile % a.tiles_per_group) * tile_rows);
    Storage* const target = delta_grad + place.b * a.grad_b + place.t * a.grad_t;

    const auto read_mask = [&](int first) {
      const Int row = group * a.rows.group_step;
      const Storage* const from = static_cast<const Storage*>(a.mask) + row / a.T * a.mask_b +
                                  row % a.T * a.mask_t + first_destination * a.mask_k;
      const int n = S - first < chunk ? S - first : chunk;
      used = mask.read<Element>(from, a.mask_k, destinations, first, n, thread, threads);
    };
    if (S > 0 && (chunk < S || group != mask_group)) {
      read_mask(0);
      mask_group = group;
    }

    // The first rows of delta_grad come while the gradient is normalised.
    int next = 0;
    const auto produce = [&](int slot) {
      if (next < used) {
        Storage* const from = target + mask.sources[next] * a.grad_s;
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
          const bool wanted = place.inside && channel(p) < D;
          Copy<Element, kVector>::start(&ring[(slot * kPieces + p) * threads],
                                        from + (wanted ? channel(p) : 0), wanted);
        }
        ++next;
      }
      commit_copies();
    };
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) produce(i);

    float g[kDestinations][kChannels];
    const Int row_at = place.row * D;
    const Storage* const normalized_row =
        normalized + place.b * a.normalized_b + place.t * a.normalized_t;
    const Storage* const rstd_row = rstds + place.b * a.rstd_b + place.t * a.rstd_t;
#pragma unroll
    for (int k = 0; k < kDestinations; ++k) {
#pragma unroll
      for (int c = 0; c < kChannels; ++c) g[k][c] = 0;
      if (place.inside && k < destinations) {
        const Int from = (first_destination + k) * rows * D + row_at;
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
          if (channel(p) < D) Access::load(grad + from + channel(p), &g[k][p * kVector]);
        }
      }
    }

    if (a.normalization != NONE) {
      // mean_d g and mean_d(g n), in turn
#pragma unroll
      for (int k = 0; k < kDestinations; k += 4) {
        float part[8];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          part[2 * j] = 0;
          part[2 * j + 1] = 0;
          if (k + j < kDestinations && k + j < destinations && place.inside) {
            const int kj = k + j < kDestinations ? k + j : 0;
#pragma unroll
            for (int p = 0; p < kPieces; ++p) {
              if (channel(p) < D) {
                float n[kVector];
                Access::load(
                    normalized_row + (first_destination + kj) * a.normalized_k + channel(p), n);
#pragma unroll
                for (int c = 0; c < kVector; ++c) {
                  const float y = g[kj][p * kVector + c];
                  part[2 * j] += y;
                  part[2 * j + 1] = multiply_add(y, n[c], part[2 * j + 1]);
                }
              }
            }
          }
        }
        sums.add(2 * k, part);
      }
      const float length = static_cast<float>(D);
      const bool centred = a.normalization == LAYER_NORM;
      sums.finish([&](int index, float total) {
        return index % 2 == 0 && !centred ? 0.0f : total / length;
      });
#pragma unroll
      for (int k = 0; k < kDestinations; ++k) {
        if (k < destinations && place.inside) {
          const float mean = sums.results[2 * k];
          const float slope = sums.results[2 * k + 1];
          const float rstd = Element::load(rstd_row[(first_destination + k) * a.rstd_k]);
          const Int to = (first_destination + k) * rows * D + row_at;
#pragma unroll
          for (int p = 0; p < kPieces; ++p) {
            if (channel(p) < D) {
              float n[kVector];
              Access::load(normalized_row + (first_destination + k) * a.normalized_k + channel(p),
                           n);
#pragma unroll
              for (int c = 0; c < kVector; ++c) {
                float& y = g[k][p * kVector + c];
                y = multiply_add(-slope, n[c], y - mean) * rstd;
              }
              Access::store(grad + to + channel(p), &g[k][p * kVector]);
            }
          }
        }
      }
    }

    if (resid_grad != nullptr && place.inside) {
      Storage* const to = resid_grad + place.b * a.resid_b + place.t * a.resid_t;
#pragma unroll
      for (int p = 0; p < kPieces; ++p) {
        if (channel(p) < D) {
          float total[kVector];
          Access::load(to + channel(p), total);
#pragma unroll
          for (int c = 0; c < kVector; ++c) {
            float sum = g[0][p * kVector + c];
#pragma unroll
            for (int k = 1; k < kDestinations; ++k) sum += g[k][p * kVector + c];
            total[c] += sum;
          }
          Access::store(to + channel(p), total);
        }
      }
    }

    for (int first = 0; first < S; first += chunk) {
      if (first > 0) {
        read_mask(first);
        next = 0;
#pragma unroll
        for (int i = 0; i < kStages - 1; ++i) produce(i);
      }
      int slot = 0;
      const float4* weights = reinterpret_cast<const float4*>(mask.weights);
#pragma unroll 1
      for (int s = 0; s < used; ++s, weights += kWidth / 4) {
        wait_copies<kStages - 2>();
        float v[kChannels];
        float w[kChannels];
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
          Access::unpack(ring[(slot * kPieces + p) * threads], &v[p * kVector]);
        }
        produce(slot == 0 ? kStages - 1 : slot - 1);  // the slot read last time
        slot = slot == kStages - 1 ? 0 : slot + 1;
#pragma unroll
        for (int c = 0; c < kChannels; ++c) w[c] = 0;
#pragma unroll
        for (int k = 0; k < kDestinations; k += 4) {
          const float4 four = weights[k / 4];
#pragma unroll
          for (int c = 0; c < kChannels; ++c) {
            v[c] = multiply_add(four.x, g[k][c], v[c]);
            if (k + 1 < kDestinations) w[c] = multiply_add(four.y, g[k + 1][c], w[c]);
            if (k + 2 < kDestinations) v[c] = multiply_add(four.z, g[k + 2][c], v[c]);
            if (k + 3 < kDestinations) w[c] = multiply_add(four.w, g[k + 3][c], w[c]);
          }
        }
        Storage* const to = target + mask.sources[s] * a.grad_s;
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
#pragma unroll
          for (int c = 0; c < kVector; ++c) v[p * kVector + c] += w[p * kVector + c];
          if (place.inside && channel(p) < D) Access::store(to + channel(p), &v[p * kVector]);
        }
      }
    }
    wait_copies<0>();
  }
}

}  // namespace patch_backward_kernel
