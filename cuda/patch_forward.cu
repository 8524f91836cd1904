// patch_forward: the patched, normalised inputs of all destinations of one block.
//
// Formula, for destinations k < K, prompts b < B, positions t < T and channels d < D:
//
//   x[k,b,t,d]   = resid[b,t,d] + sum_{s < S} mask[b,t,k,s] * delta[s,b,t,d]
//   NONE:          out = x,                                          rstd = 1
//   LAYER_NORM:    out = (x - mean_d x) * rstd,                      rstd = 1/sqrt(var_d x + epsilon)
//   RMS_NORM:      out = x * rstd,                                   rstd = 1/sqrt(mean_d x^2 + epsilon)
//
// Shapes, strides and the meaning of zeros in the mask are those of native/include/patch_forward.h:
//   resid [B,T,D]  delta [S,B,T,D]  mask [B,T,K,S] (strides of 0 broadcast)   any strides but the last
//   out [K,B,T,D]  rstd [K,B,T] or null                                       contiguous, written
// A row mask[b,t,k,:] of zeros gives norm(resid) exactly, whatever delta holds; a source whose mask is
// zero in all destinations of a tile is not read. All tensors are float32, or all bfloat16
// (-DAUTOCIRCUIT_BFLOAT16=1); sums are float32.
//
// Bytes moved (e = element size): reads e*B*T*D*(S + 1), writes e*B*T*D*K.
// Operations: 2*K*S*B*T*D for the product, about 8*K*B*T*D for the normalisation.
// Bound on an H100 (3.35 TB/s, 67 TFLOP/s float32), K = 36, S = 144, D = 768, B*T = 4096, float32:
// 2.28 GB in 0.68 ms; 33 GFLOP in 0.50 ms. Memory binds; the product must run beside it at 3/4 of its
// peak, so delta has to pass once, and the registers have to feed most of the arithmetic.
//
// Layout. A thread owns CHANNELS = VECTOR * PIECES channels of one row (b,t) and the sums of
// DESTINATIONS destinations for them, in registers: 144 for 36 destinations and 4 channels. The
// warps of a row cover its channels, so a row of delta is read once, in runs of 512 bytes per warp,
// 16 bytes per thread; the mask stands in shared memory, transposed, and is read as broadcast
// float4: one such read per 16 multiply-adds. Rows of delta arrive through cp.async in a ring of
// STAGES slots: each thread copies what it alone reads, so that the loop has no barrier, and the
// ring runs on over the end of a row, under its normalisation. The normalisation works on the
// registers: mean first, then centred squares, then one write.
//
// A block takes a run of tiles (one row, or several where D is small) of consecutive rows that share
// a mask, so the mask is read once per block and group; a mask per row costs 4*K*S bytes more per
// row, from the L2 cache. Should the mask of all sources not fit into shared memory, it is read in
// chunks of sources. More than DESTINATIONS destinations are tiles of their own, in blockIdx.y: they
// run side by side, and find delta in the L2 cache.
//
// Registers: sums and main loop leave none, so that all else is computed anew or read from shared
// memory where it is used (`here`, `sums_now`, Run); with ptxas's register-usage-level=0 nothing
// spills on sm_80, sm_90, sm_100 (CudaCompileTest).
//
// The sum runs over s in ascending order, each element on its own; the normalisation's sums depend
// on D and the layout of a row alone. So the bits of a row depend on no other row or destination.
//
// Launch: block (32 * warps of a row, rows of a tile), grid (blocks, tiles of destinations).
#include "common.cuh"

#ifndef AUTOCIRCUIT_BFLOAT16
#define AUTOCIRCUIT_BFLOAT16 0
#endif

namespace patch_forward_kernel {
using namespace autocircuit;

#if AUTOCIRCUIT_BFLOAT16
typedef Bfloat16 Element;
#else
typedef Float32 Element;
#endif
typedef Element::Storage Storage;

constexpr int kVector = AUTOCIRCUIT_VECTOR;              // channels of one access
constexpr int kPieces = AUTOCIRCUIT_PIECES;              // accesses of a thread per row
constexpr int kDestinations = AUTOCIRCUIT_DESTINATIONS;  // of a tile
constexpr int kStages = AUTOCIRCUIT_STAGES;              // slots of the ring
constexpr bool kChunked = AUTOCIRCUIT_CHUNKED != 0;      // whether the mask is read in chunks
constexpr int kThreads = AUTOCIRCUIT_THREADS;            // of a block, at most
constexpr int kWidth = round_up(kDestinations, 4);       // of the mask in shared memory
constexpr int kChannels = kVector * kPieces;
typedef Pack<Element, kVector> Access;
typedef RowSums<kDestinations, kThreads / 32> Sums;

AUTOCIRCUIT_ENTRY void __launch_bounds__(AUTOCIRCUIT_THREADS, AUTOCIRCUIT_BLOCKS)
    patch_forward(const ForwardLaunch a) {
  AUTOCIRCUIT_SHARED(shared);
  const int lanes = static_cast<int>(blockDim.x);
  const int tile_rows = static_cast<int>(blockDim.y);
  const int D = static_cast<int>(a.D);
  const int S = static_cast<int>(a.S);
  const int chunk = static_cast<int>(a.chunk);
  const int tiles_per_group = static_cast<int>(a.tiles_per_group);
  const int first_destination = static_cast<int>(blockIdx.y) * kDestinations;
  const int destinations = static_cast<int>(a.K) - first_destination < kDestinations
                               ? static_cast<int>(a.K) - first_destination
                               : kDestinations;
  const auto channel = [&](int x, int piece) { return (piece * lanes + x) * kVector; };

  Arena arena = {shared};
  const Run run(arena.take<int>(2), a.rows.groups * tiles_per_group);
  typename Access::Type* const ring =
      arena.take<typename Access::Type>((kStages + 1) * kPieces * kThreads) + thread_y() * lanes +
      thread_x();
  Arena sums_arena = arena;
  arena.skip(Sums::kBytes);
  MaskTile<kWidth> mask(arena, chunk);

  // channels past the last are never copied: they are 0
#pragma unroll
  for (int i = 0; i < (kStages + 1) * kPieces; ++i) ring[i * kThreads] = typename Access::Type();

  const Storage* delta = nullptr;  // this thread's channels of source 0, of the row to be copied
  bool copies[kPieces];
  int used = 0;  // floats of the mask's weights
  const auto copy = [&](unsigned int slot, const Storage* from) {
#pragma unroll
    for (int p = 0; p < kPieces; ++p) {
      if (copies[p]) {
        Copy<Element, kVector>::start(&ring[(slot * kPieces + p) * kThreads],
                                      from + p * lanes * kVector);
      }
    }
  };
  const auto read = [&](unsigned int slot, float(&v)[kChannels]) {
#pragma unroll
    for (int p = 0; p < kPieces; ++p) {
      Access::unpack(ring[(slot * kPieces + p) * kThreads], &v[p * kVector]);
    }
  };
  // Starts the copies of the first sources of a row, before them that of its resid.
  const auto start = [&](const Place& place, bool with_resid) {
    const int x = thread_x();
#pragma unroll
    for (int p = 0; p < kPieces; ++p) copies[p] = place.inside && channel(x, p) < D;
    delta = static_cast<const Storage*>(a.delta) + place.b * a.delta_b + place.t * a.delta_t +
            channel(x, 0);
    if (with_resid) {
      copy(kStages, static_cast<const Storage*>(a.resid) + place.b * a.resid_b +
                        place.t * a.resid_t + channel(x, 0));
    }
#pragma unroll 1
    for (int i = 0; i < kStages - 1; ++i) {
      const int at = i * mask.kStride;
      if (at < used) copy(i, delta + mask.source(mask.weights + at) * a.delta_s);
      commit_copies();
    }
  };

  int tile = run.first();
#pragma unroll 1
  for (; tile < run.end(); ++tile) {
    // computed anew where it is used: the sums leave no registers to keep it
    const auto here = [&](int ahead) {
      const int at = forgotten(tile) + ahead;
      return Place(a.rows, a.T, at / tiles_per_group, at % tiles_per_group * tile_rows);
    };
    const auto read_mask = [&](int first) {
      const int row = forgotten(tile) / tiles_per_group * static_cast<int>(a.rows.group_step);
      const Storage* const from =
          static_cast<const Storage*>(a.mask) + row / static_cast<int>(a.T) * a.mask_b +
          row % static_cast<int>(a.T) * a.mask_t + first_destination * a.mask_k;
      used = mask.kStride * mask.read<Element>(from, a.mask_k, destinations, first,
                                               S - first < chunk ? S - first : chunk, chunk,
                                               thread_y() * lanes + thread_x(), lanes * tile_rows);
    };
    // within a run of tiles with one mask, the mask is there and the copies have begun
    if (kChunked || tile % tiles_per_group == 0 || tile == run.first()) {
      if (S > 0) read_mask(0);
      start(here(0), true);
    }

    float sum[kDestinations][kChannels];
    float v[kChannels];
    wait_copies<kStages - 2>();
    read(kStages, v);
#pragma unroll
    for (int k = 0; k < kDestinations; ++k) {
#pragma unroll
      for (int c = 0; c < kChannels; ++c) sum[k][c] = v[c];
    }
    int first = 0;
    do {
      unsigned int slot = 0;
#pragma unroll 1
      for (int at = 0; at < used; at += mask.kStride) {
        wait_copies<kStages - 2>();
        read(slot, v);
        if (at + (kStages - 1) * mask.kStride < used) {  // into the slot read last time
          copy((slot + kStages - 1) % kStages,
               delta + mask.source(mask.weights + at + (kStages - 1) * mask.kStride) * a.delta_s);
        }
        commit_copies();
        slot = (slot + 1) % kStages;
#pragma unroll
        for (int k = 0; k < kDestinations; k += 4) {
          const float4 four = *reinterpret_cast<const float4*>(mask.weights + at + k);
#pragma unroll
          for (int c = 0; c < kChannels; ++c) {
            sum[k][c] = multiply_add(four.x, v[c], sum[k][c]);
            if (k + 1 < kDestinations) sum[k + 1][c] = multiply_add(four.y, v[c], sum[k + 1][c]);
            if (k + 2 < kDestinations) sum[k + 2][c] = multiply_add(four.z, v[c], sum[k + 2][c]);
            if (k + 3 < kDestinations) sum[k + 3][c] = multiply_add(four.w, v[c], sum[k + 3][c]);
          }
        }
      }
      if (!kChunked) break;
      first += chunk;
      if (first < S) {
        read_mask(first);
        start(here(0), false);
      }
    } while (first < S);

    // destinations without any source: 0 * delta may be NaN
#pragma unroll
    for (int k = 0; k < kDestinations; ++k) {
      if (S > 0 && mask.any[k] == 0) read(kStages, sum[k]);
    }

    // the next row comes while this one is normalised
    if (!kChunked && (tile + 1) % tiles_per_group != 0 && tile + 1 < run.end()) {
      start(here(1), true);
    }

    const int x = thread_x();
    const auto sums_now = [&] {  // its pointers are computed anew for each use, too
      Arena piece = sums_arena;
      return Sums(piece, thread_y(), lanes / 32, thread_x());
    };
    const Sums sums = sums_now();
    const float length = static_cast<float>(D);
    if (a.normalization == NORMALIZATION_LAYER_NORM) {
#pragma unroll
      for (int k = 0; k < kDestinations; k += 4) {
        float part[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          part[j] = 0;
          if (k + j < kDestinations) {
#pragma unroll
            for (int c = 0; c < kChannels; ++c) part[j] += sum[k + j][c];
          }
        }
        sums_now().add(k, part);
      }
      sums.finish([&](int, float total) { return total / length; });
#pragma unroll
      for (int k = 0; k < kDestinations; ++k) {
        const float mean = sums.results[k];
#pragma unroll
        for (int c = 0; c < kChannels; ++c) {
          if (channel(x, c / kVector) < D) sum[k][c] -= mean;  // the others stay 0
        }
      }
    }
    if (a.normalization != NORMALIZATION_NONE) {
#pragma unroll
      for (int k = 0; k < kDestinations; k += 4) {
        float part[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          part[j] = 0;
          if (k + j < kDestinations) {
#pragma unroll
            for (int c = 0; c < kChannels; ++c) {
              part[j] = multiply_add(sum[k + j][c], sum[k + j][c], part[j]);
            }
          }
        }
        sums_now().add(k, part);
      }
      const float epsilon = static_cast<float>(a.epsilon);
      sums.finish([&](int, float total) { return 1.0f / sqrtf(total / length + epsilon); });
    }
    const Place place = here(0);
    if (!place.inside) continue;
    const Int rows = a.B * a.T;
    Int to = first_destination * rows + place.row;
    Storage* out = static_cast<Storage*>(a.out) + to * D + channel(x, 0);
    forget(out);
#pragma unroll
    for (int k = 0; k < kDestinations; ++k) {
      if (k < destinations) {
        const float rstd = a.normalization == NORMALIZATION_NONE ? 1.0f : sums.results[k];
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
          float y[kVector];
#pragma unroll
          for (int c = 0; c < kVector; ++c) y[c] = sum[k][p * kVector + c] * rstd;
          if (channel(x, p) < D) Access::store(out + p * lanes * kVector, y);
        }
        if (a.rstd != nullptr && x == 0) {
          static_cast<Storage*>(a.rstd)[to] = Element::store(rstd);
        }
      }
      out += rows * D;
      to += rows;
      forget(out);
    }
  }
  wait_copies<0>();
}

}  // namespace patch_forward_kernel
