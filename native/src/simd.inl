// Vectors of one register, and the block sizes that fill the register file.

#define AUTOCIRCUIT_INLINE inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kProductRows = 12;  // 12 x 2 accumulators of 32 registers
constexpr int kDotRows = 4;       // 4 x 6 accumulators
constexpr int kDotColumns = 6;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kProductRows = 6;  // 6 x 2 accumulators of 16 registers
constexpr int kDotRows = 3;      // 3 x 4 accumulators
constexpr int kDotColumns = 4;
#elif defined(__x86_64__)
constexpr int kVectorBytes = 16;
constexpr int kProductRows = 4;  // 16 registers, but a product needs one of its own
constexpr int kDotRows = 2;
constexpr int kDotColumns = 4;
#else
constexpr int kVectorBytes = 16;
constexpr int kProductRows = 12;  // 32 registers (AArch64)
constexpr int kDotRows = 4;
constexpr int kDotColumns = 6;
#endif

constexpr int64_t kCacheLine = 64;

template <class Element>
struct Simd;

template <>
struct Simd<float> {
  typedef float Vector __attribute__((vector_size(kVectorBytes)));
  typedef int32_t Indices __attribute__((vector_size(kVectorBytes)));
};

template <>
struct Simd<double> {
  typedef double Vector __attribute__((vector_size(kVectorBytes)));
  typedef int64_t Indices __attribute__((vector_size(kVectorBytes)));
};

template <class Element>
using Vector = typename Simd<Element>::Vector;

// Elements of a vector.
template <class Element>
constexpr int64_t kLanes = kVectorBytes / static_cast<int64_t>(sizeof(Element));

template <class Element>
AUTOCIRCUIT_INLINE Vector<Element> load(const Element* p) {
  Vector<Element> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class Element>
AUTOCIRCUIT_INLINE void store(Element* p, Vector<Element> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

template <class Element>
AUTOCIRCUIT_INLINE Vector<Element> broadcast(Element x) {
  return x - Vector<Element>{};
}

// a * b + c, rounded once where the instruction set can.
#if defined(__AVX512F__)
AUTOCIRCUIT_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return _mm512_fmadd_ps(a, b, c);
}
AUTOCIRCUIT_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}
#elif defined(__AVX2__)
AUTOCIRCUIT_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return _mm256_fmadd_ps(a, b, c);
}
AUTOCIRCUIT_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}
#else
AUTOCIRCUIT_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return a * b + c;
}
AUTOCIRCUIT_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return a * b + c;
}
#endif

// Lane i of the result is lane which[i] of a and b one after the other. (Clang has no instruction for
// indices in a vector; where they are constants, its optimiser finds one for these moves.)
template <class Element>
AUTOCIRCUIT_INLINE Vector<Element> shuffle(Vector<Element> a, Vector<Element> b,
                                           typename Simd<Element>::Indices which) {
#if defined(__clang__)
  Vector<Element> v = a;
#pragma GCC unroll 16
  for (int64_t i = 0; i < kLanes<Element>; ++i) {
    const int64_t from = which[i];
    v[i] = from < kLanes<Element> ? a[from] : b[from - kLanes<Element>];
  }
  return v;
#else
  return __builtin_shuffle(a, b, which);
#endif
}

// The sum of the lanes, by halving: lane i is added to lane i + lanes/2, and so on.
template <class Element>
AUTOCIRCUIT_INLINE Element sum_lanes(Vector<Element> v) {
#pragma GCC unroll 4
  for (int64_t half = kLanes<Element> / 2; half > 0; half /= 2) {
    typename Simd<Element>::Indices swap;
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes<Element>; ++i) swap[i] = (i + half) % kLanes<Element>;
    v += shuffle<Element>(v, v, swap);
  }
  return v[0];
}

AUTOCIRCUIT_INLINE constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
AUTOCIRCUIT_INLINE constexpr int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
AUTOCIRCUIT_INLINE constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
AUTOCIRCUIT_INLINE constexpr int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// The lists behind a call.
template <class Call>
AUTOCIRCUIT_INLINE const Int* lists_of(const Call& a) {
  return reinterpret_cast<const Int*>(&a + 1);
}

// Hands out pieces of a thread's scratch memory, each on its own cache lines. With a null base it
// only counts.
struct Scratch {
  char* base;
  int64_t used;

  template <class Type>
  Type* take(int64_t count) {
    char* piece = base == nullptr ? nullptr : base + used;
    used += round_up(count * static_cast<int64_t>(sizeof(Type)), kCacheLine);
    return reinterpret_cast<Type*>(piece);
  }
};
