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
constexpr int kWidth = round_up(kDestinations, 4);       // of the mask in shared memory
typedef Pack<Element, kVector> Access;

// Where a thread's channels of one row begin; null past the last row of a group.
struct Place {
  Int b, t, row;
  bool inside;

  __device__ __forceinline__ Place(const ForwardParameters& a, Int group, int first) {
    const int i = first + static_cast<int>(threadIdx.y);
    inside = i < a.rows.group_rows;
    row = group * a.rows.group_step + (inside ? i : 0) * a.rows.row_step;
    const int positions = static_cast<int>(a.T);
    b = static_cast<int>(row) / positions;
    t = static_cast<int>(row) % positions;
  }
};

AUTOCIRCUIT_ENTRY void __launch_bounds__(AUTOCIRCUIT_THREADS, AUTOCIRCUIT_BLOCKS)
    patch_forward(const ForwardParameters a) {
  AUTOCIRCUIT_SHARED(shared);
  const int lanes = static_cast<int>(blockDim.x);
  const int tile_rows = static_cast<int>(blockDim.y);
  const int threads = lanes * tile_rows;
  const int x = static_cast<int>(threadIdx.x);
  const int thread = static_cast<int>(threadIdx.y) * lanes + x;
  const int D = static_cast<int>(a.D);
  const int chunk = static_cast<int>(a.chunk);
  const int first_destination = static_cast<int>(blockIdx.y) * kDestinations;
  const int destinations = static_cast<int>(a.K) - first_destination < kDestinations
                               ? static_cast<int>(a.K) - first_destination
                               : kDestinations;

  Arena arena = {shared};
  typename Access::Type* const ring =
      arena.take<typename Access::Type>(kStages * kPieces * threads) + thread;
  MaskTile mask(arena, chunk, kWidth);
  const RowSums<kDestinations> sums(arena, tile_rows, static_cast<int>(threadIdx.y), lanes / 32, x);

  const Storage* const resid = static_cast<const Storage*>(a.resid);
  const Storage* const delta = static_cast<const Storage*>(a.delta);
  Storage* const out = static_cast<Storage*>(a.out);
  const Int rows = a.B * a.T;

  const Int tiles = a.rows.groups * a.tiles_per_group;
  const Int end = tiles * (blockIdx.x + 1) / gridDim.x;
  Int begin = tiles * blockIdx.x / gridDim.x;
  while (begin < end) {
    // a run of tiles with one mask; with several chunks, one tile
    const Int group = begin / a.tiles_per_group;
    Int stop = (group + 1) * a.tiles_per_group;
    if (stop > end) stop = end;
    if (chunk < a.S) stop = begin + 1;
    const int first_row = static_cast<int>(begin % a.tiles_per_group) * tile_rows;
    const int run = static_cast<int>(stop - begin);

    float sum[kDestinations][kPieces * kVector];
    int chunk_first = 0;
    do {
      const int n =
          static_cast<int>(a.S) - chunk_first < chunk ? static_cast<int>(a.S) - chunk_first : chunk;
      const bool starts = chunk_first == 0;
      const bool finishes = chunk_first + n == a.S;
      int used = 0;
      bool all_used = true;
      if (n > 0) {
        const Int row = group * a.rows.group_step;
        const Storage* const from = static_cast<const Storage*>(a.mask) + row / a.T * a.mask_b +
                                    row % a.T * a.mask_t + first_destination * a.mask_k;
        used = mask.read<Element>(from, a.mask_k, destinations, chunk_first, n, thread, threads);
        for (int k = 0; k < destinations; ++k) all_used = all_used && mask.any[k] != 0;
      }

      // The ring's producer: for each tile the row of resid (in the first chunk), then those of the
      // used sources.
      int next_row = first_row;
      int next = starts ? -1 : 0;
      const int stop_row = first_row + run * tile_rows;
      const Storage* next_from = nullptr;
      bool next_inside = false;
      if (!starts && used == 0) next_row = stop_row;  // nothing to read
      const auto aim = [&] {
        const Place place(a, group, next_row);
        next_inside = place.inside;
        next_from = delta + place.b * a.delta_b + place.t * a.delta_t;
      };
      const auto produce = [&](int slot) {
        if (next_row < stop_row) {
          const Storage* from;
          if (next < 0) {
            const Place place(a, group, next_row);
            from = resid + place.b * a.resid_b + place.t * a.resid_t;
          } else {
            from = next_from + mask.sources[next] * a.delta_s;
          }
#pragma unroll
          for (int p = 0; p < kPieces; ++p) {
            const int d = (p * lanes + x) * kVector;
            const bool wanted = next_inside && d < D;
            Copy<Element, kVector>::start(&ring[(slot * kPieces + p) * threads],
                                          from + (wanted ? d : 0), wanted);
          }
          if (++next == used) {
            next = starts ? -1 : 0;
            next_row += tile_rows;
            if (next_row < stop_row) aim();
          }
        }
        commit_copies();
      };
      if (next_row < stop_row) aim();
      int slot = 0;
#pragma unroll
      for (int i = 0; i < kStages - 1; ++i) produce(i);
      const auto consume = [&](float(&v)[kPieces * kVector]) {
        wait_copies<kStages - 2>();
#pragma unroll
        for (int p = 0; p < kPieces; ++p) {
          Access::unpack(ring[(slot * kPieces + p) * threads], &v[p * kVector]);
        }
        produce(slot == 0 ? kStages - 1 : slot - 1);  // the slot read last time
        slot = slot == kStages - 1 ? 0 : slot + 1;
      };

      for (int i = 0; i < run; ++i) {
        float v[kPieces * kVector];
        if (starts) {
          consume(v);
#pragma unroll
          for (int k = 0; k < kDestinations; ++k) {
#pragma unroll
            for (int c = 0; c < kPieces * kVector; ++c) sum[k][c] = v[c];
          }
        }
        const float4* weights = reinterpret_cast<const float4*>(mask.weights);
#pragma unroll 1
        for (int s = 0; s < used; ++s, weights += kWidth / 4) {
          consume(v);
#pragma unroll
          for (int k = 0; k < kDestinations; k += 4) {
            const float4 four = weights[k / 4];
#pragma unroll
            for (int c = 0; c < kPieces * kVector; ++c) {
              sum[k][c] = multiply_add(four.x, v[c], sum[k][c]);
              if (k + 1 < kDestinations) {
                sum[k + 1][c] = multiply_add(four.y, v[c], sum[k + 1][c]);
              }
              if (k + 2 < kDestinations) {
                sum[k + 2][c] = multiply_add(four.z, v[c], sum[k + 2][c]);
              }
              if (k + 3 < kDestinations) {
                sum[k + 3][c] = multiply_add(four.w, v[c], sum[k + 3][c]);
              }
            }
          }
        }
        if (!finishes) continue;

        const Place place(a, group, first_row + i * tile_rows);
        if (!all_used) {  // 0 * delta may be NaN
#pragma unroll
          for (int p = 0; p < kPieces; ++p) {
            const int d = (p * lanes + x) * kVector;
            if (d < D) {
              Access::load(resid + place.b * a.resid_b + place.t * a.resid_t + d, &v[p * kVector]);
            }
          }
#pragma unroll
          for (int k = 0; k < kDestinations; ++k) {
#pragma unroll
            for (int c = 0; c < kPieces * kVector; ++c) {
              if (mask.any[k] == 0) sum[k][c] = (c / kVector * lanes + x) * kVector < D ? v[c] : 0;
            }
          }
        }

        const float length = static_cast<float>(D);
        if (a.normalization == LAYER_NORM) {
#pragma unroll
          for (int k = 0; k < kDestinations; k += 8) {
            float part[8];
#pragma unroll
            for (int j = 0; j < 8; ++j) {
              part[j] = 0;
#pragma unroll
              for (int c = 0; k + j < kDestinations && c < kPieces * kVector; ++c) {
                part[j] += sum[k + j < kDestinations ? k + j : 0][c];
              }
            }
            sums.add(k, part);
          }
          sums.finish([&](int, float total) { return total / length; });
#pragma unroll
          for (int k = 0; k < kDestinations; ++k) {
            const float mean = sums.results[k];
#pragma unroll
            for (int c = 0; c < kPieces * kVector; ++c) {
              // channels past the last stay 0
              if ((c / kVector * lanes + x) * kVector < D) sum[k][c] -= mean;
            }
          }
        }
        if (a.normalization != NONE) {
#pragma unroll
          for (int k = 0; k < kDestinations; k += 8) {
            float part[8];
#pragma unroll
            for (int j = 0; j < 8; ++j) {
              part[j] = 0;
#pragma unroll
              for (int c = 0; k + j < kDestinations && c < kPieces * kVector; ++c) {
                const float y = sum[k + j < kDestinations ? k + j : 0][c];
                part[j] = multiply_add(y, y, part[j]);
              }
            }
            sums.add(k, part);
          }
          const float epsilon = static_cast<float>(a.epsilon);
          sums.finish([&](int, float total) { return 1.0f / sqrtf(total / length + epsilon); });
        }
        if (!place.inside) continue;

#pragma unroll
        for (int k = 0; k < kDestinations; ++k) {
          if (k >= destinations) continue;
          const float rstd = a.normalization == NONE ? 1.0f : sums.results[k];
          const Int to = (first_destination + k) * rows + place.row;
#pragma unroll
          for (int p = 0; p < kPieces; ++p) {
            const int d = (p * lanes + x) * kVector;
            float y[kVector];
#pragma unroll
            for (int c = 0; c < kVector; ++c) y[c] = sum[k][p * kVector + c] * rstd;
            if (d < D) Access::store(out + to * D + d, y);
          }
          if (a.rstd != nullptr && x == 0) static_cast<Storage*>(a.rstd)[to] = Element::store(rstd);
        }
      }
      chunk_first += n;
    } while (chunk_first < a.S);
    wait_copies<0>();
    begin = stop;
  }
}

}  // namespace patch_forward_kernel
