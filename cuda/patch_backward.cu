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
// broadcast float4.
//
// Registers: as in patch_forward.cu, places and pointers are computed anew for each pass, so that
// nothing spills on sm_80, sm_90, sm_100.
//
// One launch takes the destinations first ... first + DESTINATIONS - 1; launches for more follow one
// another, each adding to resid_grad and delta_grad (in bfloat16, rounding in between).
//
// Order of summation: over d by lane, warp and channel of the thread as D and the alignment demand;
// over k ascending; nothing depends on other rows. No atomics on floats.
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
constexpr bool kChunked = AUTOCIRCUIT_CHUNKED != 0;      // whether the mask is read in chunks
constexpr int kThreads = AUTOCIRCUIT_THREADS;            // of a block, at most
constexpr int kWidth = round_up(kDestinations, 4);       // of the mask in shared memory
constexpr int kChannels = kVector * kPieces;
typedef Pack<Element, kVector> Access;
typedef RowSums<2 * kDestinations, kThreads / 32> Sums;

AUTOCIRCUIT_ENTRY void __launch_bounds__(AUTOCIRCUIT_THREADS, AUTOCIRCUIT_BLOCKS)
    patch_backward(const BackwardLaunch a) {
  AUTOCIRCUIT_SHARED(shared);
  const int lanes = static_cast<int>(blockDim.x);
  const int tile_rows = static_cast<int>(blockDim.y);
  const int D = static_cast<int>(a.D);
  const int S = static_cast<int>(a.S);
  const int chunk = static_cast<int>(a.chunk);
  const int tiles_per_group = static_cast<int>(a.tiles_per_group);
  const int first_destination = static_cast<int>(a.first);
  const int destinations = static_cast<int>(a.K) - first_destination < kDestinations
                               ? static_cast<int>(a.K) - first_destination
                               : kDestinations;
  const auto channel = [&](int x, int piece) { return (piece * lanes + x) * kVector; };

  Arena arena = {shared};
  const Run run(arena.take<int>(2), a.rows.groups * tiles_per_group);
  typename Access::Type* const ring =
      arena.take<typename Access::Type>(kStages * kPieces * kThreads) + thread_y() * lanes +
      thread_x();
  Arena sums_arena = arena;
  arena.skip(Sums::kBytes);
  MaskTile<kWidth> mask(arena, chunk);

  int used = 0;  // floats of the mask's weights
  int tile = run.first();
#pragma unroll 1
  for (; tile < run.end(); ++tile) {
    const int group = tile / tiles_per_group;
    // computed anew where it is used: the sums leave no registers to keep it
    const auto here = [&] {
      const int at = forgotten(tile);
      return Place(a.rows, a.T, at / tiles_per_group, at % tiles_per_group * tile_rows);
    };
    bool writes[kPieces];
    {
      const bool inside = here().inside;
      const int x = thread_x();
#pragma unroll
      for (int p = 0; p < kPieces; ++p) writes[p] = inside && channel(x, p) < D;
    }
    const auto target_of = [&](const Place& place) {  // this thread's channels of source 0
      return static_cast<Storage*>(a.delta_grad) + place.b * a.grad_b + place.t * a.grad_t +
             channel(thread_x(), 0);
    };

    const auto read_mask = [&](int first) {
      const int row = group * static_cast<int>(a.rows.group_step);
      const Storage* const from =
          static_cast<const Storage*>(a.mask) + row / static_cast<int>(a.T) * a.mask_b +
          row % static_cast<int>(a.T) * a.mask_t + first_destination * a.mask_k;
      const int n = S - first < chunk ? S - first : chunk;
      used = mask.kStride * mask.read<Element>(from, a.mask_k, destinations, first, n, chunk,
                                               thread_y() * lanes + thread_x(), lanes * tile_rows);
    };

    const auto copy = [&](const Storage* target, unsigned int slot, int at) {
      if (at < used) {
        const Storage* const from = target + mask.source(mask.weights + at) * a.grad_s;
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
          if (writes[p]) {
            Copy<Element, kVector>::start(&ring[(slot * kPieces + p) * kThreads],
                                          from + p * lanes * kVector);
          }
        }
      }
      commit_copies();
    };
    const auto start = [&] {
      const Storage* const target = target_of(here());
#pragma unroll 1
      for (int i = 0; i < kStages - 1; ++i) copy(target, i, i * mask.kStride);
    };
    // The first rows of delta_grad come while the gradient is normalised.
    if (S > 0) {
      if (kChunked || tile % tiles_per_group == 0 || tile == run.first()) {
        read_mask(0);
      }
      start();
    }

    const int x = thread_x();
    Arena piece = sums_arena;
    const Sums sums(piece, thread_y(), lanes / 32, x);
    float g[kDestinations][kChannels];
    const Int stride = a.B * a.T * D;
    const auto grad_of = [&](const Place& place) {
      Storage* grad = static_cast<Storage*>(a.grad) + first_destination * stride +
                      static_cast<Int>(place.row) * D + channel(thread_x(), 0);
      forget(grad);
      return grad;
    };
    const auto normalized_of = [&](const Place& place) {
      const Storage* normalized = static_cast<const Storage*>(a.normalized) +
                                  first_destination * a.normalized_k + place.b * a.normalized_b +
                                  place.t * a.normalized_t + channel(thread_x(), 0);
      forget(normalized);
      return normalized;
    };
    if (a.normalization == NORMALIZATION_NONE) {
      const Storage* grad = grad_of(here());
#pragma unroll
      for (int k = 0; k < kDestinations; ++k) {
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
#pragma unroll
          for (int c = 0; c < kVector; ++c) g[k][p * kVector + c] = 0;
          if (k < destinations && writes[p]) {
            Access::load(grad + p * lanes * kVector, &g[k][p * kVector]);
          }
        }
        grad += stride;
      }
    } else {
      {
        const Place place = here();
        const Storage* from = grad_of(place);
        const Storage* normal = normalized_of(place);
#pragma unroll
        for (int k = 0; k < kDestinations; k += 2) {
          float part[4];  // sums of g and of g n, in turn
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            part[2 * j] = 0;
            part[2 * j + 1] = 0;
            if (k + j < kDestinations) {
#pragma unroll
              for (int p = 0; p < kPieces; ++p) {
#pragma unroll
                for (int c = 0; c < kVector; ++c) g[k + j][p * kVector + c] = 0;
                if (k + j < destinations && writes[p]) {
                  float n[kVector];
                  Access::load(from + p * lanes * kVector, &g[k + j][p * kVector]);
                  Access::load(normal + p * lanes * kVector, n);
#pragma unroll
                  for (int c = 0; c < kVector; ++c) {
                    const float y = g[k + j][p * kVector + c];
                    part[2 * j] += y;
                    part[2 * j + 1] = multiply_add(y, n[c], part[2 * j + 1]);
                  }
                }
              }
            }
            from += stride;
            normal += a.normalized_k;
          }
          sums.add(2 * k, part);
        }
      }
      const float length = static_cast<float>(D);
      const bool centred = a.normalization == NORMALIZATION_LAYER_NORM;
      sums.finish([&](int index, float total) {
        return index % 2 == 0 && !centred ? 0.0f : total / length;
      });
      const Place place = here();
      Storage* grad = grad_of(place);
      const Storage* normalized = normalized_of(place);
      const Storage* rstds = static_cast<const Storage*>(a.rstd) + first_destination * a.rstd_k +
                             place.b * a.rstd_b + place.t * a.rstd_t;
#pragma unroll
      for (int k = 0; k < kDestinations; ++k) {
        if (place.inside && k < destinations) {
          const float mean = sums.results[2 * k];
          const float slope = sums.results[2 * k + 1];
          const float rstd = Element::load(*rstds);
#pragma unroll
          for (int p = 0; p < kPieces; ++p) {
            if (writes[p]) {
              float n[kVector];
              Access::load(normalized + p * lanes * kVector, n);
#pragma unroll
              for (int c = 0; c < kVector; ++c) {
                float& y = g[k][p * kVector + c];
                y = multiply_add(-slope, n[c], y - mean) * rstd;
              }
              Access::store(grad + p * lanes * kVector, &g[k][p * kVector]);
            }
          }
        }
        grad += stride;
        normalized += a.normalized_k;
        rstds += a.rstd_k;
      }
    }

    if (a.resid_grad != nullptr) {
      const Place place = here();
      Storage* const to = static_cast<Storage*>(a.resid_grad) + place.b * a.resid_b +
                          place.t * a.resid_t + channel(thread_x(), 0);
#pragma unroll
      for (int p = 0; p < kPieces; ++p) {
        if (writes[p]) {
          float total[kVector];
          Access::load(to + p * lanes * kVector, total);
#pragma unroll
          for (int c = 0; c < kVector; ++c) {
#pragma unroll
            for (int k = 0; k < kDestinations; ++k) total[c] += g[k][p * kVector + c];
          }
          Access::store(to + p * lanes * kVector, total);
        }
      }
    }

    Storage* const target = target_of(here());
    int first = 0;
    do {
      unsigned int slot = 0;
#pragma unroll 1
      for (int at = 0; at < used; at += mask.kStride) {
        wait_copies<kStages - 2>();
        float v[kChannels];
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
          Access::unpack(ring[(slot * kPieces + p) * kThreads], &v[p * kVector]);
        }
        // into the slot read last time
        copy(target, (slot + kStages - 1) % kStages, at + (kStages - 1) * mask.kStride);
        slot = (slot + 1) % kStages;
#pragma unroll
        for (int k = 0; k < kDestinations; k += 4) {
          const float4 four = *reinterpret_cast<const float4*>(mask.weights + at + k);
#pragma unroll
          for (int c = 0; c < kChannels; ++c) {
            v[c] = multiply_add(four.x, g[k][c], v[c]);
            if (k + 1 < kDestinations) v[c] = multiply_add(four.y, g[k + 1][c], v[c]);
            if (k + 2 < kDestinations) v[c] = multiply_add(four.z, g[k + 2][c], v[c]);
            if (k + 3 < kDestinations) v[c] = multiply_add(four.w, g[k + 3][c], v[c]);
          }
        }
        Storage* const to = target + mask.source(mask.weights + at) * a.grad_s;
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
          if (writes[p]) {
            Access::store(to + p * lanes * kVector, &v[p * kVector]);
          }
        }
      }
      if (!kChunked) break;
      first += chunk;
      if (first < S) {
        read_mask(first);
        start();
      }
    } while (first < S);
    wait_copies<0>();
  }
}

}  // namespace patch_backward_kernel
