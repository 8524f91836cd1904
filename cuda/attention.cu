// attention, attention_backward: softmax attention between the positions of each prompt, head by head,
// and its gradient. Formulas and shapes: native/include/attention.h.
//
// All tensors are float32, or all bfloat16 (-DAUTOCIRCUIT_BFLOAT16=1); arithmetic is float32, in its own
// units: no tensor cores. The scores are never written to memory.
//
// Bytes moved (e = element size): 4*e*B*T*H*W forward, 7*e*B*T*H*W backward, and 3 floats per query.
// Operations: 4*W*B*H*n forward, 14*W*B*H*n backward (the scores are computed three times and their
// gradients three times, where once would do: 10*W*B*H*n), for n of T*T pairs in tiles that are seen.
// Bound on an H100 (3.35 TB/s, 67 TFLOP/s float32), B = 64, T = 64, H = 12, W = 64, half of the pairs
// seen: 50 MB in 15 us, 0.4 GFLOP in 6 us forward. Memory binds; from T of some 300 on, arithmetic does.
//
// Layout. A block of 128 threads owns one prompt and head and a tile of 32 queries (in
// attention_backward_keys: 32 keys) and goes through the keys (queries) in tiles of 32, which all its
// threads bring to shared memory. Thread (r,c), r < 8, c < 16, owns rows 4r ... 4r+3 of the tile: of the
// scores columns c and c + 16, and of the result the channels c, c + 16, ... (by fours where W allows).
// The 16 threads of a row are half a warp: sums and maxima over the columns are exchanged there, and the
// rows of scores in shared memory need no barrier but the warp's. The softmax is taken tile by tile
// with a running maximum; tiles after the last key that a query of the block sees are left out.
// Registers and shared memory: heads of 64 channels take 128 registers of a thread and 31 KB of a block
// (gradient: 44 and 48), so that 4 blocks, 16 warps, share a multiprocessor on sm_90 and sm_100 (227 KB)
// and 3 on sm_80 (163 KB) in the gradient; of 128 channels 168 registers and 3 blocks at most. Nothing
// spills up to 256 channels; wider heads, or little shared memory, take the naive way.
//
// Order of summation: by tile, column and channel as above; it depends on T and W alone. No atomics.
//
// Launch: block (128), grid (B*H, ceil(T / 32)); attention_backward_queries before
// attention_backward_keys, which reads what it writes to scratch.
#include "common.cuh"

#ifndef AUTOCIRCUIT_BFLOAT16
#define AUTOCIRCUIT_BFLOAT16 0
#endif

namespace attention_kernel {
using namespace autocircuit;

#if AUTOCIRCUIT_BFLOAT16
typedef Bfloat16 Element;
#else
typedef Float32 Element;
#endif
typedef Element::Storage Storage;

constexpr int kWidth = AUTOCIRCUIT_WIDTH;  // W, channels of a head
constexpr int kTile = 32;                  // queries, and keys, of a tile
constexpr int kThreads = 128;
constexpr int kOwned = 4;                      // rows of a thread
constexpr int kColumns = 2;                    // columns of a thread, 16 apart
constexpr int kRow = round_up(kWidth, 4) + 4;  // floats of a row in shared memory: banks differ
constexpr int kPatternRow = kTile + 4;
constexpr int kVector = kWidth % 64 == 0 ? 4 : 1;   // neighbouring channels of a thread
constexpr int kPieces = round_up(kWidth, 16) / 16;  // channels of a thread

__device__ __forceinline__ float nothing() { return __uint_as_float(0xff800000u); }  // -infinity

// The channel of a thread's piece.
__device__ __forceinline__ constexpr int channel(int c, int piece) {
  return piece / kVector * (16 * kVector) + c * kVector + piece % kVector;
}

// Over the 16 threads of a row.
__device__ __forceinline__ float half_sum(float x) {
#pragma unroll
  for (int offset = 8; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}
__device__ __forceinline__ float half_max(float x) {
#pragma unroll
  for (int offset = 8; offset > 0; offset /= 2) {
    x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, offset));
  }
  return x;
}

// One prompt and head: where its rows are, and their rotation.
struct Head {
  const AttentionLaunch& a;
  int b, h;

  __device__ __forceinline__ explicit Head(const AttentionLaunch& launch)
      : a(launch),
        b(block_x() / static_cast<int>(launch.H)),
        h(block_x() % static_cast<int>(launch.H)) {}

  // Of queries (0), keys (1), values (2).
  __device__ __forceinline__ Int joint(int t, int part) const {
    return (((b * a.T + t) * 3 + part) * a.H + h) * kWidth;
  }
  __device__ __forceinline__ Int mixed(int t) const { return ((b * a.T + t) * a.H + h) * kWidth; }
  __device__ __forceinline__ const Storage* mask() const {
    return a.mask == nullptr ? nullptr : static_cast<const Storage*>(a.mask) + b * a.mask_b;
  }
  __device__ __forceinline__ float* statistics(int t) const {
    return a.scratch + ((b * a.H + h) * a.T + t) * 3;
  }

  // Channel e of x turned by the position's angles (sign 1) or back (-1); x holds floats or storage.
  template <class Channel>
  __device__ __forceinline__ float turned(int t, int e, float sign, Channel x) const {
    const float own = x(e);
    if (e >= static_cast<int>(a.R)) return own;
    const int half = static_cast<int>(a.R) / 2;
    const bool lower = a.adjacent != 0 ? e % 2 == 0 : e < half;
    const int partner = a.adjacent != 0 ? e ^ 1 : lower ? e + half : e - half;
    const Int at = b * a.rotation_b + t * a.R + e;
    const float cosine = Element::load(static_cast<const Storage*>(a.cosines)[at]);
    const float sine = Element::load(static_cast<const Storage*>(a.sines)[at]);
    const float other = lower ? -x(partner) : x(partner);
    return multiply_add(sign * other, sine, own * cosine);
  }

  // Brings kTile rows from position `first` on to shared memory, turned or not; what is past the end is 0.
  __device__ __forceinline__ void read(float* to, const void* from, int first, int part,
                                       bool turn) const {
    constexpr int padded = round_up(kWidth, 4);
    for (int i = thread_x(); i < kTile * padded; i += kThreads) {
      const int row = i / padded;
      const int e = i % padded;
      const int t = first + row;
      float value = 0;
      if (t < static_cast<int>(a.T) && e < kWidth) {
        const Storage* const x =
            static_cast<const Storage*>(from) + (part < 0 ? mixed(t) : joint(t, part));
        const auto at = [&](int channel) { return Element::load(x[channel]); };
        value = turn ? turned(t, e, 1, at) : at(e);
      }
      to[row * kRow + e] = value;
    }
  }
};

// products[i][j] = <left row i, right row c + 16 j>, channels ascending.
__device__ __forceinline__ void multiply(const float* left, const float* right, int c,
                                         float (&products)[kOwned][kColumns]) {
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
#pragma unroll
    for (int j = 0; j < kColumns; ++j) products[i][j] = 0;
  }
#pragma unroll 4
  for (int e = 0; e < round_up(kWidth, 4); e += 4) {
    float4 x[kOwned];
    float4 y[kColumns];
#pragma unroll
    for (int i = 0; i < kOwned; ++i) x[i] = *reinterpret_cast<const float4*>(left + i * kRow + e);
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      y[j] = *reinterpret_cast<const float4*>(right + (c + 16 * j) * kRow + e);
    }
#pragma unroll
    for (int i = 0; i < kOwned; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        float sum = products[i][j];
        sum = multiply_add(x[i].x, y[j].x, sum);
        sum = multiply_add(x[i].y, y[j].y, sum);
        sum = multiply_add(x[i].z, y[j].z, sum);
        products[i][j] = multiply_add(x[i].w, y[j].w, sum);
      }
    }
  }
}

// to[i][piece] += sum_j weights[i][j] * rows[j][channel]; weights are rows of kPatternRow floats.
__device__ __forceinline__ void accumulate(const float* weights, const float* rows, int c,
                                           float (&to)[kOwned][kPieces]) {
#pragma unroll 1
  for (int first = 0; first < kTile; first += 4) {
    float4 w[kOwned];
#pragma unroll
    for (int i = 0; i < kOwned; ++i) {
      w[i] = *reinterpret_cast<const float4*>(weights + i * kPatternRow + first);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float* const row = rows + (first + j) * kRow;
#pragma unroll
      for (int p = 0; p < kPieces; p += kVector) {
        float x[kVector];
        if constexpr (kVector == 4) {
          const float4 four = *reinterpret_cast<const float4*>(row + channel(c, p));
          x[0] = four.x;
          x[1] = four.y;
          x[2] = four.z;
          x[3] = four.w;
        } else {
          x[0] = channel(c, p) < kWidth ? row[channel(c, p)] : 0.0f;
        }
#pragma unroll
        for (int i = 0; i < kOwned; ++i) {
          const float weight = j == 0 ? w[i].x : j == 1 ? w[i].y : j == 2 ? w[i].z : w[i].w;
#pragma unroll
          for (int v = 0; v < kVector; ++v) {
            to[i][p + v] = multiply_add(weight, x[v], to[i][p + v]);
          }
        }
      }
    }
  }
}

// The largest number that a thread of the block hands in; with barriers.
__device__ __forceinline__ int block_max(int number, int* shared) {
  float most = static_cast<float>(number);  // exact: positions are below 2^24
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, offset));
  }
  const int x = thread_x();
  if (x % 32 == 0) shared[x / 32] = static_cast<int>(most);
  __syncthreads();
  int result = shared[0];
#pragma unroll
  for (int warp = 1; warp < kThreads / 32; ++warp) {
    result = shared[warp] > result ? shared[warp] : result;
  }
  __syncthreads();
  return result;
}

// One more than the last key that a query of the tile from `first` on sees.
__device__ __forceinline__ int seen(const Head& head, int first, int* shared) {
  const Storage* const mask = head.mask();
  const int T = static_cast<int>(head.a.T);
  if (mask == nullptr) return T;
  int last = 0;
  for (int i = first; i < first + kTile && i < T; ++i) {
    for (int j = thread_x(); j < T; j += kThreads) {
      if (Element::load(mask[static_cast<Int>(i) * T + j]) != nothing() && j > last) last = j;
    }
  }
  return block_max(last, shared) + 1;
}

// The first query that sees a key of the tile from `first` on; T if none does.
__device__ __forceinline__ int seeing(const Head& head, int first, int* shared) {
  const Storage* const mask = head.mask();
  const int T = static_cast<int>(head.a.T);
  if (mask == nullptr) return 0;
  int least = T;
  const int j = first + thread_x() % kTile;
  for (int i = thread_x() / kTile; i < T && i < least; i += kThreads / kTile) {
    if (j < T && Element::load(mask[static_cast<Int>(i) * T + j]) != nothing()) least = i;
  }
  return T - block_max(T - least, shared);
}

// The score of a query and a key: -infinity where there is none or it is not seen.
__device__ __forceinline__ float score(const Head& head, const Storage* mask, int query, int key,
                                       float product) {
  const int T = static_cast<int>(head.a.T);
  if (query >= T || key >= T) return nothing();
  const float scaled = product * static_cast<float>(head.a.scale);
  return mask == nullptr ? scaled : scaled + Element::load(mask[static_cast<Int>(query) * T + key]);
}

// What a row of scores is so far: its maximum, and this thread's share of the sum of e^(s - maximum).
struct Softmax {
  float most, sum;

  // Takes scores of the row, kColumns per thread, and turns them into e^(s - maximum); returns what sums
  // with the old maximum are to be multiplied by.
  __device__ __forceinline__ float add(float (&s)[kColumns]) {
    float tile = s[0];
#pragma unroll
    for (int j = 1; j < kColumns; ++j) tile = fmaxf(tile, s[j]);
    const float larger = fmaxf(most, half_max(tile));
    const float base = larger == nothing() ? 0.0f : larger;
    const float by = expf(most - base);
    sum *= by;
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      s[j] = expf(s[j] - base);
      sum += s[j];
    }
    most = larger;
    return by;
  }
};

template <int N>
__device__ __forceinline__ void clear(float (&x)[kOwned][N]) {
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
#pragma unroll
    for (int n = 0; n < N; ++n) x[i][n] = 0;
  }
}

AUTOCIRCUIT_ENTRY void __launch_bounds__(AUTOCIRCUIT_THREADS, AUTOCIRCUIT_BLOCKS)
    attention(const AttentionLaunch a) {
  AUTOCIRCUIT_SHARED(shared);
  Arena arena = {shared};
  int* const reach = arena.take<int>(4);
  float* const queries = arena.take<float>(kTile * kRow);
  float* const keys = arena.take<float>(kTile * kRow);
  float* const values = arena.take<float>(kTile * kRow);
  float* const pattern = arena.take<float>(kTile * kPatternRow);
  const Head head(a);
  const int first = static_cast<int>(blockIdx.y) * kTile;
  const int r = thread_x() / 16;
  const int c = thread_x() % 16;
  const Storage* const mask = head.mask();

  head.read(queries, a.qkv, first, 0, a.R != 0);
  const int end = seen(head, first, reach);
  Softmax softmax[kOwned];
  float z[kOwned][kPieces];
  clear(z);
#pragma unroll
  for (int i = 0; i < kOwned; ++i) softmax[i] = {nothing(), 0};
  float* const own = pattern + r * kOwned * kPatternRow;
#pragma unroll 1
  for (int tile = 0; tile < end; tile += kTile) {
    __syncthreads();
    head.read(keys, a.qkv, tile, 1, a.R != 0);
    head.read(values, a.qkv, tile, 2, false);
    __syncthreads();
    float s[kOwned][kColumns];
    multiply(queries + r * kOwned * kRow, keys, c, s);
#pragma unroll
    for (int i = 0; i < kOwned; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        s[i][j] = score(head, mask, first + r * kOwned + i, tile + c + 16 * j, s[i][j]);
      }
      const float by = softmax[i].add(s[i]);
#pragma unroll
      for (int j = 0; j < kColumns; ++j) own[i * kPatternRow + c + 16 * j] = s[i][j];
#pragma unroll
      for (int p = 0; p < kPieces; ++p) z[i][p] *= by;
    }
    __syncwarp();
    accumulate(own, values, c, z);
  }
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
    const int t = first + r * kOwned + i;
    const float by = 1.0f / half_sum(softmax[i].sum);
    if (t < static_cast<int>(a.T)) {
      Storage* const to = static_cast<Storage*>(a.z) + head.mixed(t);
#pragma unroll
      for (int p = 0; p < kPieces; ++p) {
        if (channel(c, p) < kWidth) to[channel(c, p)] = Element::store(z[i][p] * by);
      }
    }
  }
}

// The gradient of the queries, and of each query what its softmax needs: its maximum, the reciprocal of
// its sum, and sum_l dp[l] p[l].
AUTOCIRCUIT_ENTRY void __launch_bounds__(AUTOCIRCUIT_THREADS, AUTOCIRCUIT_BLOCKS)
    attention_backward_queries(const AttentionLaunch a) {
  AUTOCIRCUIT_SHARED(shared);
  Arena arena = {shared};
  int* const reach = arena.take<int>(4);
  float* const queries = arena.take<float>(kTile * kRow);
  float* const grads = arena.take<float>(kTile * kRow);
  float* const keys = arena.take<float>(kTile * kRow);
  float* const values = arena.take<float>(kTile * kRow);
  float* const slopes = arena.take<float>(kTile * kPatternRow);
  const Head head(a);
  const int first = static_cast<int>(blockIdx.y) * kTile;
  const int r = thread_x() / 16;
  const int c = thread_x() % 16;
  const Storage* const mask = head.mask();

  head.read(queries, a.qkv, first, 0, a.R != 0);
  head.read(grads, a.grad_z, first, -1, false);
  const int end = seen(head, first, reach);
  float* const own_queries = queries + r * kOwned * kRow;
  float* const own_grads = grads + r * kOwned * kRow;
  Softmax softmax[kOwned];
  float inner[kOwned];
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
    softmax[i] = {nothing(), 0};
    inner[i] = 0;
  }
  float s[kOwned][kColumns];
  float g[kOwned][kColumns];
  const auto products = [&](int tile) {
    multiply(own_queries, keys, c, s);
    multiply(own_grads, values, c, g);
#pragma unroll
    for (int i = 0; i < kOwned; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        s[i][j] = score(head, mask, first + r * kOwned + i, tile + c + 16 * j, s[i][j]);
      }
    }
  };
#pragma unroll 1
  for (int tile = 0; tile < end; tile += kTile) {
    __syncthreads();
    head.read(keys, a.qkv, tile, 1, a.R != 0);
    head.read(values, a.qkv, tile, 2, false);
    __syncthreads();
    products(tile);
#pragma unroll
    for (int i = 0; i < kOwned; ++i) {
      inner[i] *= softmax[i].add(s[i]);
#pragma unroll
      for (int j = 0; j < kColumns; ++j) inner[i] = multiply_add(g[i][j], s[i][j], inner[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
    const int t = first + r * kOwned + i;
    const float sum = half_sum(softmax[i].sum);
    softmax[i].sum =
        sum > 0 ? 1.0f / sum : 0.0f;  // now the reciprocal; queries past the end have none
    inner[i] = half_sum(inner[i]) * softmax[i].sum;
    if (softmax[i].most == nothing()) softmax[i].most = 0;
    if (c == 0 && t < static_cast<int>(a.T)) {
      float* const to = head.statistics(t);
      to[0] = softmax[i].most;
      to[1] = softmax[i].sum;
      to[2] = inner[i];
    }
  }
  float dq[kOwned][kPieces];
  clear(dq);
  float* const own = slopes + r * kOwned * kPatternRow;
  const float scale = static_cast<float>(a.scale);
#pragma unroll 1
  for (int tile = 0; tile < end; tile += kTile) {
    if (end > kTile) {  // else the only tile is still there
      __syncthreads();
      head.read(keys, a.qkv, tile, 1, a.R != 0);
      head.read(values, a.qkv, tile, 2, false);
      __syncthreads();
    }
    products(tile);
#pragma unroll
    for (int i = 0; i < kOwned; ++i) {
#pragma unroll
      for (int j = 0; j < kColumns; ++j) {
        const float p = expf(s[i][j] - softmax[i].most) * softmax[i].sum;
        own[i * kPatternRow + c + 16 * j] = scale * p * (g[i][j] - inner[i]);
      }
    }
    __syncwarp();
    accumulate(own, keys, c, dq);
    __syncwarp();
  }
  // turned back by way of the rows of the queries, which no other threads read
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
#pragma unroll
    for (int p = 0; p < kPieces; ++p) {
      if (channel(c, p) < kWidth) own_queries[i * kRow + channel(c, p)] = dq[i][p];
    }
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
    const int t = first + r * kOwned + i;
    if (t < static_cast<int>(a.T)) {
      Storage* const to = static_cast<Storage*>(a.grad_qkv) + head.joint(t, 0);
      const float* const row = own_queries + i * kRow;
      for (int e = c; e < kWidth; e += 16) {
        to[e] = Element::store(head.turned(t, e, -1, [&](int channel) { return row[channel]; }));
      }
    }
  }
}

// The gradients of keys and values.
AUTOCIRCUIT_ENTRY void __launch_bounds__(AUTOCIRCUIT_THREADS, AUTOCIRCUIT_BLOCKS)
    attention_backward_keys(const AttentionLaunch a) {
  AUTOCIRCUIT_SHARED(shared);
  Arena arena = {shared};
  int* const reach = arena.take<int>(4);
  float* const keys = arena.take<float>(kTile * kRow);
  float* const values = arena.take<float>(kTile * kRow);
  float* const queries = arena.take<float>(kTile * kRow);
  float* const grads = arena.take<float>(kTile * kRow);
  float* const pattern = arena.take<float>(kTile * kPatternRow);
  float* const slopes = arena.take<float>(kTile * kPatternRow);
  const Head head(a);
  const int first = static_cast<int>(blockIdx.y) * kTile;
  const int r = thread_x() / 16;
  const int c = thread_x() % 16;
  const int T = static_cast<int>(a.T);
  const Storage* const mask = head.mask();

  head.read(keys, a.qkv, first, 1, a.R != 0);
  head.read(values, a.qkv, first, 2, false);
  const int begin = seeing(head, first, reach) / kTile * kTile;
  float* const own_keys = keys + r * kOwned * kRow;
  const float scale = static_cast<float>(a.scale);
  float dk[kOwned][kPieces];
  float dv[kOwned][kPieces];
  clear(dk);
  clear(dv);
#pragma unroll 1
  for (int tile = begin; tile < T; tile += kTile) {
    __syncthreads();
    head.read(queries, a.qkv, tile, 0, a.R != 0);
    head.read(grads, a.grad_z, tile, -1, false);
    __syncthreads();
    float s[kOwned][kColumns];
    float g[kOwned][kColumns];
    multiply(own_keys, queries, c, s);
    multiply(values + r * kOwned * kRow, grads, c, g);
    const int own = r * kOwned * kPatternRow + c;
#pragma unroll
    for (int j = 0; j < kColumns; ++j) {
      const int query = tile + c + 16 * j;
      float most = 0;
      float by = 0;
      float inner = 0;
      if (query < T) {
        const float* const from = head.statistics(query);
        most = from[0];
        by = from[1];
        inner = from[2];
      }
#pragma unroll
      for (int i = 0; i < kOwned; ++i) {
        const float p = expf(score(head, mask, query, first + r * kOwned + i, s[i][j]) - most) * by;
        pattern[own + i * kPatternRow + 16 * j] = p;
        slopes[own + i * kPatternRow + 16 * j] = scale * p * (g[i][j] - inner);
      }
    }
    __syncwarp();
    accumulate(pattern + r * kOwned * kPatternRow, grads, c, dv);
    accumulate(slopes + r * kOwned * kPatternRow, queries, c, dk);
  }
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
#pragma unroll
    for (int p = 0; p < kPieces; ++p) {
      if (channel(c, p) < kWidth) own_keys[i * kRow + channel(c, p)] = dk[i][p];
    }
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < kOwned; ++i) {
    const int t = first + r * kOwned + i;
    if (t < T) {
      Storage* const to_key = static_cast<Storage*>(a.grad_qkv) + head.joint(t, 1);
      Storage* const to_value = static_cast<Storage*>(a.grad_qkv) + head.joint(t, 2);
      const float* const row = own_keys + i * kRow;
#pragma unroll
      for (int p = 0; p < kPieces; ++p) {
        if (channel(c, p) < kWidth) to_value[channel(c, p)] = Element::store(dv[i][p]);
      }
      for (int e = c; e < kWidth; e += 16) {
        to_key[e] =
            Element::store(head.turned(t, e, -1, [&](int channel) { return row[channel]; }));
      }
    }
  }
}

}  // namespace attention_kernel
