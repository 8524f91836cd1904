// patch_backward_mask: the gradient of patch_forward with respect to the mask.
//
//   mask_grad[b',t',k,s] = sum <g'[k,b,t,:], delta[s,b,t,:]>
//
// over the rows (b,t) of a group: all of them, or those of one prompt, one position, or a single one.
//
// Shapes and strides (strides in elements, the last axis always contiguous):
//   grad       [K,B,T,D]    contiguous: g' as patch_backward left it
//   delta      [S,B,T,D]    strides delta_s, delta_b, delta_t
//   mask_grad  [groups,K,S] contiguous, overwritten
//   partial    [groups, chunks_per_group, K, S] float32, contiguous: scratch, when there are several
//              chunks in a group
// grad, delta and mask_grad are float32, or all bfloat16 (-DAUTOCIRCUIT_BFLOAT16=1); sums are float32,
// those over chunks double.
//
// Bytes moved (e = element size): e*(K + S)*B*T*D, and 8*groups*chunks_per_group*K*S for partial.
// Operations: 2*K*S*B*T*D.
// Bound on an H100 (3.35 TB/s, 67 TFLOP/s float32), K = 36, S = 144, D = 768, B*T = 4096, float32:
// 2.27 GB in 0.68 ms; 33 GFLOP in 0.50 ms.
//
// Layout. A skinny product of [K x rows*D] and [rows*D x S]. patch_backward_products gives each block
// a chunk of rows and a tile of all destinations (up to 36) and up to 144 sources, so that grad and
// delta pass once. 48 channels of the tile's rows at a time stand in shared memory (cp.async, STAGES
// stages); rows are padded by 16 bytes, so that a warp's reads meet different banks. A warp computes
// half the sources for a third of the channels: LANES_K x (32 / LANES_K) lanes, each TILE_K x TILE_S
// sums in registers: 18 reads of 16 bytes for 324 multiply-adds at 9 x 9. In the end the thirds, then
// (in patch_backward_sums) the chunks are added.
//
// Order of summation, a function of shapes and alignment alone: the rows of a group are cut into
// chunks of chunk_rows; within a chunk a lane sums row by row, channel by channel of its third; the
// thirds in float32 and the chunks in double are added in ascending order. No atomics on floats.
//
// Launch: patch_backward_products: block (192), grid (groups * chunks_per_group, tiles of sources,
// tiles of destinations). patch_backward_sums: block (64), grid (ceil(groups * K * S / 64)); only with
// several chunks.
#include "common.cuh"

#ifndef AUTOCIRCUIT_BFLOAT16
#define AUTOCIRCUIT_BFLOAT16 0
#endif

namespace patch_backward_mask_kernel {
using namespace autocircuit;

#if AUTOCIRCUIT_BFLOAT16
typedef Bfloat16 Element;
#else
typedef Float32 Element;
#endif
typedef Element::Storage Storage;

constexpr int kVector = AUTOCIRCUIT_VECTOR;  // channels of one copy
constexpr int kStages = AUTOCIRCUIT_STAGES;
constexpr int kLanesK = AUTOCIRCUIT_LANES_K;
constexpr int kLanesS = 32 / kLanesK;
constexpr int kTileK = AUTOCIRCUIT_TILE_K;  // of a lane
constexpr int kTileS = AUTOCIRCUIT_TILE_S;
constexpr int kWarpsS = 2;                            // warps side by side in the sources
constexpr int kSlices = 3;                            // warps that share out the channels
constexpr int kSlice = 16;                            // channels of a warp in a stage
constexpr int kThreads = 32 * kWarpsS * kSlices;      // of a block
constexpr int kDestinations = kLanesK * kTileK;       // of a block
constexpr int kSources = kWarpsS * kLanesS * kTileS;  // of a block
constexpr int kRows = kDestinations + kSources;       // of a stage
constexpr int kWide = kSlices * kSlice;               // channels of a stage
constexpr int kPitch = kWide + 16 / static_cast<int>(sizeof(Storage));
constexpr int kCopiesPerRow = kWide / kVector;
constexpr int kRowsAtOnce = kThreads / kCopiesPerRow;  // copied by one round of the block
typedef Pack<Element, kVector> Transfer;
// channels multiplied at once: those of 16 bytes, in bfloat16 of 4, for want of registers
constexpr int kOnce = sizeof(Storage) == 4 ? 4 : 2;
typedef Pack<Element, kOnce> Access;

AUTOCIRCUIT_ENTRY void __launch_bounds__(kThreads, AUTOCIRCUIT_BLOCKS)
    patch_backward_products(const MaskGradientLaunch a) {
  AUTOCIRCUIT_SHARED(shared);
  Storage* const stages = reinterpret_cast<Storage*>(shared);
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % 32;
  const int warp = thread / 32;
  const int slice = warp / kWarpsS;
  const int lane_k = lane / kLanesS;
  const int lane_s = warp % kWarpsS * (kLanesS * kTileS) + lane % kLanesS;
  const int D = static_cast<int>(a.D);
  const int T = static_cast<int>(a.T);
  const int S = static_cast<int>(a.S);
  const int K = static_cast<int>(a.K);
  const Int group = blockIdx.x / a.chunks_per_group;
  const Int first_row = blockIdx.x % a.chunks_per_group * a.chunk_rows;
  const int first_s = static_cast<int>(blockIdx.y) * kSources;
  const int first_k = static_cast<int>(blockIdx.z) * kDestinations;
  const Storage* const grad = static_cast<const Storage*>(a.grad);
  const Storage* const delta = static_cast<const Storage*>(a.delta);
  const Int rows = a.B * a.T;
  int count = static_cast<int>(a.chunk_rows);
  if (count > a.rows.group_rows - first_row)
    count = static_cast<int>(a.rows.group_rows - first_row);

  int next = 0;  // row of the chunk, and channel, that is copied next
  int next_channel = 0;
  const auto produce = [&](int stage) {
    if (next < count) {
      const Int row = group * a.rows.group_step + (first_row + next) * a.rows.row_step;
      const int copy_row = thread_x() / kCopiesPerRow;
      const int copy_channel = thread_x() % kCopiesPerRow * kVector;
      const int d = next_channel + copy_channel;
      Storage* to = stages + (stage * kRows + copy_row) * kPitch + copy_channel;
      const Storage* from = grad + (row + (first_k + copy_row) * rows) * D + d;
      Int step = kRowsAtOnce * rows * D;
      int last = (d < D ? K : 0) - first_k;
      forget(from);
#pragma unroll
      for (int i = 0; i < kDestinations; i += kRowsAtOnce) {
        if (i + copy_row < kDestinations) {
          Copy<Element, kVector>::start(reinterpret_cast<typename Transfer::Type*>(to), from,
                                        i + copy_row < last);
        }
        from += step;
        to += kRowsAtOnce * kPitch;
      }
      to = stages + (stage * kRows + kDestinations + copy_row) * kPitch + copy_channel;
      from = delta + static_cast<int>(row) / T * a.delta_b + static_cast<int>(row) % T * a.delta_t +
             (first_s + copy_row) * a.delta_s + d;
      step = kRowsAtOnce * a.delta_s;
      last = (d < D ? S : 0) - first_s;
      forget(from);
#pragma unroll
      for (int i = 0; i < kSources; i += kRowsAtOnce) {
        if (i + copy_row < kSources) {
          Copy<Element, kVector>::start(reinterpret_cast<typename Transfer::Type*>(to), from,
                                        i + copy_row < last);
        }
        from += step;
        to += kRowsAtOnce * kPitch;
      }
      next_channel += kWide;
      if (next_channel >= D) {
        next_channel = 0;
        ++next;
      }
    }
    commit_copies();
  };

  float sum[kTileK][kTileS];
#pragma unroll
  for (int i = 0; i < kTileK; ++i) {
#pragma unroll
    for (int j = 0; j < kTileS; ++j) sum[i][j] = 0;
  }
#pragma unroll
  for (int i = 0; i < kStages - 1; ++i) produce(i);
  int stage = 0;
  const int steps = count * ((D + kWide - 1) / kWide);
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    wait_copies<kStages - 2>();
    __syncthreads();
    produce(stage == 0 ? kStages - 1 : stage - 1);  // the stage read last time
    const Storage* const from = stages + stage * kRows * kPitch + slice * kSlice;
    stage = stage == kStages - 1 ? 0 : stage + 1;
#pragma unroll 1
    for (int c = 0; c < kSlice; c += kOnce) {
      float g[kTileK][kOnce];
#pragma unroll
      for (int i = 0; i < kTileK; ++i) {
        Access::load(from + (i * kLanesK + lane_k) * kPitch + c, g[i]);
      }
#pragma unroll
      for (int j = 0; j < kTileS; ++j) {
        float v[kOnce];
        Access::load(from + (kDestinations + j * kLanesS + lane_s) * kPitch + c, v);
#pragma unroll
        for (int e = 0; e < kOnce; ++e) {
#pragma unroll
          for (int i = 0; i < kTileK; ++i) sum[i][j] = multiply_add(g[i][e], v[e], sum[i][j]);
        }
      }
    }
  }
  wait_copies<0>();
  __syncthreads();

  // the slices of a sum, ascending
  float* const others = reinterpret_cast<float*>(shared) + thread % (32 * kWarpsS);
  if (slice > 0) {
#pragma unroll
    for (int i = 0; i < kTileK; ++i) {
#pragma unroll
      for (int j = 0; j < kTileS; ++j) {
        others[(((slice - 1) * kTileK + i) * kTileS + j) * (32 * kWarpsS)] = sum[i][j];
      }
    }
  }
  __syncthreads();
  if (slice > 0) return;
  const bool whole = a.chunks_per_group == 1;
#pragma unroll
  for (int i = 0; i < kTileK; ++i) {
    const int k = first_k + i * kLanesK + lane_k;
#pragma unroll
    for (int j = 0; j < kTileS; ++j) {
      const int s = forgotten(first_s + lane_s) + j * kLanesS;
      float total = sum[i][j];
#pragma unroll
      for (int other = 0; other < kSlices - 1; ++other) {
        total += others[((other * kTileK + i) * kTileS + j) * (32 * kWarpsS)];
      }
      if (k < K && s < S) {
        const Int to = (static_cast<Int>(blockIdx.x) * K + k) * S + s;
        if (whole) {
          static_cast<Storage*>(a.mask_grad)[to] = Element::store(total);
        } else {
          a.partial[to] = total;
        }
      }
    }
  }
}

// mask_grad = the sum of the chunks, one thread per entry.
AUTOCIRCUIT_ENTRY void __launch_bounds__(64) patch_backward_sums(const MaskGradientLaunch a) {
  const Int entries = a.K * a.S;
  const Int i = static_cast<Int>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= a.rows.groups * entries) return;
  const float* const from = a.partial + i / entries * a.chunks_per_group * entries + i % entries;
  const int chunks = static_cast<int>(a.chunks_per_group);
  double sum = 0;
  for (int c = 0; c < chunks; c += 8) {
    float part[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) part[j] = c + j < chunks ? from[(c + j) * entries] : 0.0f;
#pragma unroll
    for (int j = 0; j < 8; ++j) sum += part[j];
  }
  static_cast<Storage*>(a.mask_grad)[i] = Element::store(static_cast<float>(sum));
}

}  // namespace patch_backward_mask_kernel
