// activation and activation_backward for one instruction set; see native/include/activation.h for what
// they compute.

constexpr int64_t kActivationChunk = 4096;  // elements that a thread takes at a time

// s(v) and s(-v) = 1 - s(v), both accurate where they are small.
template <class Element>
struct Sigmoid {
  Vector<Element> up, down;

  AUTOCIRCUIT_INLINE explicit Sigmoid(Vector<Element> v) {
    const Vector<Element> zero = {};
    const auto negative = v < zero;
    const Vector<Element> e = exponential<Element>(negative ? v : -v);
    const Vector<Element> large = broadcast<Element>(1) / (e + broadcast<Element>(1));
    const Vector<Element> small = e * large;
    up = negative ? small : large;
    down = negative ? large : small;
  }
};

constexpr double kRootOfTwoOverPi = 0.79788456080286535588;
constexpr double kCubic = 0.044715;

// f(x), or f'(x)
template <class Element, bool Gelu, bool Slope>
AUTOCIRCUIT_INLINE Vector<Element> activated(Vector<Element> x) {
  const Vector<Element> one = broadcast<Element>(1);
  if constexpr (!Gelu) {
    const Sigmoid<Element> s(x);
    return Slope ? s.up * fma(x, s.down, one) : x * s.up;
  } else {
    const Vector<Element> two_root = broadcast(static_cast<Element>(2 * kRootOfTwoOverPi));
    const Vector<Element> square = x * x;
    const Vector<Element> u =
        two_root * x * fma(square, broadcast(static_cast<Element>(kCubic)), one);
    const Sigmoid<Element> s(u);
    if constexpr (!Slope) return x * s.up;
    const Vector<Element> rise =
        two_root * fma(square, broadcast(static_cast<Element>(3 * kCubic)), one);
    // far from zero the square overflows while s.down or s.up is 0
    const Vector<Element> both = s.up * s.down;
    const Vector<Element> zero = {};
    const Vector<Element> term = both == zero ? zero : x * both * rise;
    return s.up + term;
  }
}

template <class Element, bool Gelu, bool Slope>
void activation_chunk(const ActivationCall<Element>& a, int64_t begin, int64_t end) {
  constexpr int64_t L = kLanes<Element>;
  int64_t i = begin;
  for (; i + L <= end; i += L) {
    Vector<Element> y = activated<Element, Gelu, Slope>(load(a.x + i));
    if (Slope) y *= load(a.grad + i);
    store(a.out + i, y);
  }
  if (i < end) {
    Element rest[L];
    copy_padded(a.x + i, end - i, rest, L);
    store(rest, activated<Element, Gelu, Slope>(load(rest)));
    for (int64_t j = 0; i + j < end; ++j) {
      a.out[i + j] = Slope ? rest[j] * a.grad[i + j] : rest[j];
    }
  }
}

template <class Element>
void activate(const ActivationCall<Element>& a, int threads) {
  share_parts(threads, divide_up(a.n, kActivationChunk), [&](int64_t part) {
    const int64_t begin = part * kActivationChunk;
    const int64_t end = smaller(a.n, begin + kActivationChunk);
    if (a.kind == ACTIVATION_GELU_TANH) {
      if (a.grad == nullptr) {
        activation_chunk<Element, true, false>(a, begin, end);
      } else {
        activation_chunk<Element, true, true>(a, begin, end);
      }
    } else if (a.grad == nullptr) {
      activation_chunk<Element, false, false>(a, begin, end);
    } else {
      activation_chunk<Element, false, true>(a, begin, end);
    }
  });
}
