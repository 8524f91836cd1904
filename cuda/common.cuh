// What the kernels share: their parameters, element types, 16-byte access, asynchronous copies, sums
// over the lanes of a warp, and the mask in shared memory.
//
// Includes calls.h of native/include, which includes nothing; so nvcc (with that include path) and
// NVRTC both take it. NVRTC gets both as named headers: pass their texts to nvrtcCreateProgram with
// the include names "common.cuh" and "calls.h". In cuda/test it is compiled for the CPU, with
// emulator.h before it; then AUTOCIRCUIT_EMULATOR is defined.
//
// Every kernel takes one parameter by value, a structure of 8-byte fields (pointers, integers,
// doubles) without padding: a call of calls.h and how it is cut. io.autocircuit.kernels.CallLayout
// lists the fields.
#pragma once

#include "calls.h"

#ifdef AUTOCIRCUIT_EMULATOR
#define AUTOCIRCUIT_ENTRY static
#define AUTOCIRCUIT_SHARED(name) unsigned char* const name = emulator::shared_memory()
#else
#define AUTOCIRCUIT_ENTRY extern "C" __global__
#define AUTOCIRCUIT_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#endif

namespace autocircuit {

// Rows (b,t) are numbered b*T + t. They are cut into groups whose rows share one mask (or are summed
// into one entry of mask_grad): row i of group g is g*group_step + i*row_step, i < group_rows.
struct Rows {
  Int groups, group_rows, group_step, row_step;
};

// patch_forward, patch_forward_naive; see patch_forward.cu.
struct ForwardLaunch : PatchForwardCall<void> {
  Rows rows;
  Int tiles_per_group, chunk;
};
static_assert(sizeof(ForwardLaunch) == 27 * 8, "CallLayout.PATCH_FORWARD_LAUNCH");

// patch_backward and the entries of patch_backward_naive.cu but one; see patch_backward.cu.
struct BackwardLaunch : PatchBackwardCall<void> {
  Rows rows;
  Int tiles_per_group, chunk, first;
};
static_assert(sizeof(BackwardLaunch) == 41 * 8, "CallLayout.PATCH_BACKWARD_LAUNCH");

// patch_backward_products, patch_backward_sums, patch_backward_naive_mask; see
// patch_backward_mask.cu.
struct MaskGradientLaunch : PatchBackwardCall<void> {
  Rows rows;
  float* partial;
  Int chunk_rows, chunks_per_group;
};
static_assert(sizeof(MaskGradientLaunch) == 41 * 8, "CallLayout.MASK_GRADIENT_LAUNCH");

// The entries of attention.cu and attention_naive.cu. `scratch`: 3 floats per query (b,h,t); in the
// naive ones matrices [B,H,T,T], one or two.
struct AttentionLaunch : AttentionCall<void> {
  float* scratch;
};
static_assert(sizeof(AttentionLaunch) == 18 * 8, "CallLayout.ATTENTION_LAUNCH");

// ---- element types: storage, and its conversion to and from float32 (round to nearest even) ----

struct Float32 {
  typedef float Storage;
  static __device__ __forceinline__ float load(Storage x) { return x; }
  static __device__ __forceinline__ Storage store(float x) { return x; }
};

struct Bfloat16 {
  typedef unsigned short Storage;
  static __device__ __forceinline__ float load(Storage x) {
    return __uint_as_float(static_cast<unsigned int>(x) << 16);
  }
  static __device__ __forceinline__ Storage store(float x) {
    const unsigned int bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;  // NaN
    return static_cast<Storage>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
};

template <int Bytes>
struct Raw;
template <>
struct Raw<2> {
  typedef unsigned short Type;
};
template <>
struct Raw<4> {
  typedef unsigned int Type;
};
template <>
struct Raw<8> {
  typedef uint2 Type;
};
template <>
struct Raw<16> {
  typedef uint4 Type;
};

// N elements that are moved by one instruction.
template <class Element, int N>
struct Pack {
  typedef typename Element::Storage Storage;
  static constexpr int kBytes = N * static_cast<int>(sizeof(Storage));
  typedef typename Raw<kBytes>::Type Type;
  union Bits {
    Type whole;
    Storage parts[N];
  };

  static __device__ __forceinline__ void unpack(Type whole, float* x) {
    Bits bits;
    bits.whole = whole;
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = Element::load(bits.parts[i]);
  }
  static __device__ __forceinline__ void load(const Storage* from, float* x) {
    unpack(*reinterpret_cast<const Type*>(from), x);
  }
  static __device__ __forceinline__ void store(Storage* to, const float* x) {
    Bits bits;
#pragma unroll
    for (int i = 0; i < N; ++i) bits.parts[i] = Element::store(x[i]);
    *reinterpret_cast<Type*>(to) = bits.whole;
  }
};

// ---- arithmetic ----

// Makes the compiler forget how a pointer to global memory was computed. Without it, it keeps the
// addresses of an unrolled loop in registers from one pass to the next.
template <class Type>
__device__ __forceinline__ void forget(Type*& pointer) {
#ifndef AUTOCIRCUIT_EMULATOR
  asm volatile("" : "+l"(pointer));
  __builtin_assume(__isGlobal(pointer));
#else
  static_cast<void>(pointer);
#endif
}

// The same for a number.
__device__ __forceinline__ int forgotten(int number) {
#ifndef AUTOCIRCUIT_EMULATOR
  asm volatile("" : "+r"(number));
#endif
  return number;
}

// The indices of a thread, read anew at each call: kept, they would cost registers of the main loop.
#ifdef AUTOCIRCUIT_EMULATOR
inline int thread_x() { return static_cast<int>(threadIdx.x); }
inline int thread_y() { return static_cast<int>(threadIdx.y); }
inline int block_x() { return static_cast<int>(blockIdx.x); }
#else
__device__ __forceinline__ int thread_x() {
  int x;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(x));
  return x;
}
__device__ __forceinline__ int thread_y() {
  int y;
  asm volatile("mov.u32 %0, %%tid.y;" : "=r"(y));
  return y;
}
__device__ __forceinline__ int block_x() {
  int x;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(x));
  return x;
}
#endif

// Reads shared memory where it stands in the program, so that the value takes no register before.
__device__ __forceinline__ int load_shared(const int* from) {
#ifdef AUTOCIRCUIT_EMULATOR
  return *from;
#else
  int value;
  asm volatile("ld.shared.s32 %0, [%1];"
               : "=r"(value)
               : "r"(static_cast<unsigned int>(__cvta_generic_to_shared(from))));
  return value;
#endif
}

__device__ __forceinline__ float multiply_add(float a, float b, float c) {
#ifdef AUTOCIRCUIT_EMULATOR
  return static_cast<float>(static_cast<double>(a) * b + c);
#else
  return fmaf(a, b, c);
#endif
}

__host__ __device__ constexpr int round_up(int n, int to) { return (n + to - 1) / to * to; }

// Sums each of N values (N = 1, 2, 4, 8) over the 32 lanes of a warp. Lane l returns the sum of
// value l / (32/N). Every sum adds the same pairs: lanes 16 apart, then 8, 4, 2, 1; while there is
// more than one value, a lane hands half of them to its partner and sums the other half.
template <int N>
__device__ __forceinline__ float lane_sums(float (&v)[N], int lane) {
  int offset = 16;
#pragma unroll
  for (int n = N; n > 1; n /= 2) {
    const bool upper = (lane & offset) != 0;
#pragma unroll
    for (int i = 0; i < n / 2; ++i) {
      const float send = upper ? v[i] : v[i + n / 2];
      const float keep = upper ? v[i + n / 2] : v[i];
      v[i] = keep + __shfl_xor_sync(0xffffffffu, send, offset);
    }
    offset /= 2;
  }
#pragma unroll
  for (; offset > 0; offset /= 2) v[0] += __shfl_xor_sync(0xffffffffu, v[0], offset);
  return v[0];
}

// ---- asynchronous copies from global to shared memory (cp.async) ----
//
// A thread copies what it alone will read, or passes a barrier after wait_copies.

#ifdef AUTOCIRCUIT_EMULATOR
template <int Bytes>
inline void copy_async(void* to, const void* from, bool wanted) {
  emulator::copy_async(to, from, Bytes, wanted);
}
template <int Bytes>
inline void copy_async(void* to, const void* from) {
  emulator::copy_async(to, from, Bytes, true);
}
inline void commit_copies() { emulator::commit_copies(); }
template <int Pending>
inline void wait_copies() {
  emulator::wait_copies(Pending);
}
#else
template <int Bytes>
__device__ __forceinline__ void copy_async(void* to, const void* from, bool wanted) {
  const unsigned int shared = static_cast<unsigned int>(__cvta_generic_to_shared(to));
  const int bytes = wanted ? Bytes : 0;  // the rest is filled with zeros
  if (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(shared), "l"(from), "r"(bytes)
                 : "memory");
  } else if (Bytes == 8) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;"
                 :
                 : "r"(shared), "l"(from), "r"(bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;"
                 :
                 : "r"(shared), "l"(from), "r"(bytes)
                 : "memory");
  }
}
template <int Bytes>
__device__ __forceinline__ void copy_async(void* to, const void* from) {
  const unsigned int shared = static_cast<unsigned int>(__cvta_generic_to_shared(to));
  if (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" : : "r"(shared), "l"(from) : "memory");
  } else if (Bytes == 8) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" : : "r"(shared), "l"(from) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" : : "r"(shared), "l"(from) : "memory");
  }
}
// Ends a group of copies.
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" : : : "memory");
}
// Returns when all but the last Pending groups are complete.
template <int Pending>
__device__ __forceinline__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" : : "n"(Pending) : "memory");
}
#endif

// Copies one pack; if it is not `wanted`, writes zeros and reads nothing.
template <class Element, int N>
struct Copy {
  typedef typename Element::Storage Storage;
  typedef typename Pack<Element, N>::Type Type;
  static constexpr int kBytes = Pack<Element, N>::kBytes;
  static __device__ __forceinline__ void start(Type* to, const Storage* from) {
    if constexpr (kBytes >= 4) {
      copy_async<kBytes>(to, from);
    } else {
      *to = *reinterpret_cast<const Type*>(from);
    }
  }
  static __device__ __forceinline__ void start(Type* to, const Storage* from, bool wanted) {
    if constexpr (kBytes >= 4) {
      copy_async<kBytes>(to, from, wanted);
    } else {
      *to = wanted ? *reinterpret_cast<const Type*>(from) : Type();
    }
  }
};

// ---- shared memory ----

// Hands out pieces of shared memory, each aligned to 16 bytes; CudaLaunch adds up the same sizes.
struct Arena {
  unsigned char* next;
  __device__ __forceinline__ void skip(int bytes) { next += round_up(bytes, 16); }
  template <class Type>
  __device__ __forceinline__ Type* take(int count) {
    Type* piece = reinterpret_cast<Type*>(next);
    next += round_up(count * static_cast<int>(sizeof(Type)), 16);
    return piece;
  }
};

// The tiles of a block: the blocks of gridDim.x take runs of equal length, up to one. Kept in shared
// memory and read anew at each use, since the sums leave no registers for it.
struct Run {
  int* bounds;  // the first tile, and that after the last

  // All threads of the block call it together.
  __device__ __forceinline__ Run(int* shared, Int tiles) : bounds(shared) {
    if (thread_x() < 2 && thread_y() == 0) {
      bounds[thread_x()] = static_cast<int>(tiles * (block_x() + thread_x()) / gridDim.x);
    }
    __syncthreads();
  }
  __device__ __forceinline__ int first() const { return load_shared(bounds); }
  __device__ __forceinline__ int end() const { return load_shared(bounds + 1); }
};

// The mask of some sources for a tile of Width destinations (a multiple of 4), without the sources
// that none of them uses. Shared memory: 4*Width + 4*chunk*(Width + 4) bytes, and 4*ceil(chunk/32)
// rounded up to 16.
template <int Width>
struct MaskTile {
  static constexpr int kStride = Width + 4;
  int* any;        // [Width], whether the row has an entry other than zero
  float* weights;  // [used][kStride]: Width weights, 0 for destinations past the last, and the bits
                   // of the source's index; sources ascend

  __device__ __forceinline__ MaskTile(Arena& arena, int chunk)
      : any(arena.take<int>(Width)), weights(arena.take<float>(chunk * kStride)) {}

  // The source of a row of weights.
  static __device__ __forceinline__ int source(const float* row) {
    return *reinterpret_cast<const int*>(row + Width);
  }

  // Reads the mask of n sources from `first` on: `valid` rows, row_stride apart. All threads of the
  // block call it together; it begins and ends with a barrier. Returns the number of used sources.
  template <class Element>
  __device__ __forceinline__ int read(const typename Element::Storage* mask, Int row_stride,
                                      int valid, int first, int n, int chunk, int thread,
                                      int threads) {
    // bit s: some destination uses source s
    unsigned int* const columns = reinterpret_cast<unsigned int*>(weights + chunk * kStride);
    const int lane = thread % 32;
    const int warp = thread / 32;
    const int warps = threads / 32;
    const int words = (n + 31) / 32;
    __syncthreads();
    for (int i = thread; i < words; i += threads) columns[i] = 0;
    __syncthreads();
    for (int k = warp; k < Width; k += warps) {
      bool found = false;
      for (int i = 0; i < words; ++i) {
        const int s = i * 32 + lane;
        const bool inside = k < valid && s < n;
        const float m = inside ? Element::load(mask[k * row_stride + first + s]) : 0.0f;
        const unsigned int bits = __ballot_sync(0xffffffffu, m != 0.0f);  // NaN counts
        if (lane == 0 && bits != 0) atomicOr(&columns[i], bits);
        found = found || bits != 0;
      }
      if (lane == 0) any[k] = (first != 0 && any[k] != 0) || found;
    }
    __syncthreads();
    int used = 0;
    for (int i = 0; i < words; ++i) used += __popc(columns[i]);
    for (int k = warp; k < Width; k += warps) {
      int before = 0;
      for (int i = 0; i < words; ++i) {
        const unsigned int bits = columns[i];
        if ((bits >> lane & 1u) != 0) {
          const int s = first + i * 32 + lane;
          const int slot = before + __popc(bits & ((1u << lane) - 1u));
          weights[slot * kStride + k] = k < valid ? Element::load(mask[k * row_stride + s]) : 0.0f;
          if (k == 0) *reinterpret_cast<int*>(&weights[slot * kStride + Width]) = s;
        }
        before += __popc(bits);
      }
    }
    __syncthreads();
    return used;
  }
};

// Sums over the channels of a row (b,t), Count of them. The threads of a row are `warps` whole warps,
// at most MaxWarps in all rows of a block; when it is one, rows do not wait for each other. Shared
// memory: 8*round_up(Count,4)*MaxWarps bytes.
template <int Count, int MaxWarps>
struct RowSums {
  static constexpr int kStride = round_up(Count, 4);
  static constexpr int kBytes = 8 * MaxWarps * kStride;
  float* partial;  // [warps][kStride] of this row
  float* results;  // [kStride] of this row
  int warps, warp, lane;

  __device__ __forceinline__ RowSums(Arena& arena, int row, int warps_of_row, int thread)
      : warps(warps_of_row), warp(thread / 32), lane(thread % 32) {
    partial = arena.take<float>(MaxWarps * kStride) + row * warps * kStride;
    results = arena.take<float>(MaxWarps * kStride) + row * kStride;
  }

  __device__ __forceinline__ void barrier() const {
    if (warps == 1) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  }

  // Hands in N values per thread, for the sums first, first + 1, ...; those from Count on are not
  // kept.
  template <int N>
  __device__ __forceinline__ void add(int first, float (&v)[N]) const {
    const float sum = lane_sums<N>(v, lane);
    const int index = first + lane / (32 / N);
    if (lane % (32 / N) == 0 && index < Count) partial[warp * kStride + index] = sum;
  }

  // Turns the sums into results by `to(index, sum)`; afterwards every thread may read results, until
  // it calls finish again. The warps are added in ascending order.
  template <class Function>
  __device__ __forceinline__ void finish(Function to) const {
    barrier();
    for (int i = warp * 32 + lane; i < Count; i += warps * 32) {
      float sum = partial[i];
      for (int w = 1; w < warps; ++w) sum += partial[w * kStride + i];
      results[i] = to(i, sum);
    }
    barrier();
  }
};

// The row (b,t) of a thread in a tile; some row of the group if the tile has fewer.
struct Place {
  int row, b, t;
  bool inside;

  __device__ __forceinline__ Place(const Rows& rows, Int T, int group, int first) {
    const int i = first + thread_y();
    inside = i < static_cast<int>(rows.group_rows);
    row = group * static_cast<int>(rows.group_step) +
          (inside ? i : 0) * static_cast<int>(rows.row_step);
    b = row / static_cast<int>(T);
    t = row % static_cast<int>(T);
  }
};

}  // namespace autocircuit
