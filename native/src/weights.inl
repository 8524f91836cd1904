// Weights as they are stored: numbers of the call's type, or of 16 bits, widened while they are packed.
// Every value of 16 bits is one of float32, so that widening rounds nothing.

// The upper half of a binary32.
struct BFloat16 {
  uint16_t bits;
};

// An IEEE binary16.
struct Float16 {
  uint16_t bits;
};

// As many numbers of 16 and of 32 bits as a register has elements.
template <class Element>
struct Narrow {
  typedef uint16_t Halves __attribute__((vector_size(2 * kLanes<Element>)));
  typedef uint32_t Words __attribute__((vector_size(4 * kLanes<Element>)));
  typedef float Singles __attribute__((vector_size(4 * kLanes<Element>)));
};

// The bits of the float32 numbers that `words` hold in 16 bits each, for numbers and vectors of them.
template <class Singles, class Words>
AUTOCIRCUIT_INLINE Words bits_of(BFloat16, Words words) {
  return words << 16;
}

// The exponent's bias differs by 112, also for numbers without an integer bit; infinities and NaN, with
// the largest exponent, keep that.
template <class Singles, class Words>
AUTOCIRCUIT_INLINE Words bits_of(Float16, Words words) {
  const Words magnitude = (words & 0x7fff) << 13;
  Singles scaled;
  __builtin_memcpy(&scaled, &magnitude, sizeof scaled);
  scaled *= 0x1p112f;
  Words bits;
  __builtin_memcpy(&bits, &scaled, sizeof bits);
  // all ones where the exponent has all of its bits: the sum carries into bit 15
  const Words largest = 0 - (((words & 0x7fff) + 0x0400) >> 15);
  return bits | (largest & 0x7f800000) | (words & 0x8000) << 16;
}

template <class Stored>
constexpr bool kNarrow = false;
template <>
constexpr bool kNarrow<BFloat16> = true;
template <>
constexpr bool kNarrow<Float16> = true;

template <class Element, class Stored>
AUTOCIRCUIT_INLINE Element widened(Stored x) {
  if constexpr (kNarrow<Stored>) {
    const uint32_t bits = bits_of<float>(Stored{}, static_cast<uint32_t>(x.bits));
    float single;
    __builtin_memcpy(&single, &bits, sizeof single);
    return single;
  } else {
    return x;
  }
}

AUTOCIRCUIT_INLINE Vector<float> converted(Vector<float> x) { return x; }
AUTOCIRCUIT_INLINE Vector<double> converted(Narrow<double>::Singles x) {
  return __builtin_convertvector(x, Vector<double>);
}

template <class Element, class Stored>
AUTOCIRCUIT_INLINE Vector<Element> load_as(const Stored* p) {
  if constexpr (kNarrow<Stored>) {
    using Words = typename Narrow<Element>::Words;
    using Singles = typename Narrow<Element>::Singles;
    typename Narrow<Element>::Halves halves;
    __builtin_memcpy(&halves, p, sizeof halves);
    const Words bits = bits_of<Singles>(Stored{}, __builtin_convertvector(halves, Words));
    Singles singles;
    __builtin_memcpy(&singles, &bits, sizeof singles);
    return converted(singles);
  } else {
    return load(p);
  }
}

// function(weights), a pointer to what `type` says that they are.
template <class Element, class Function>
AUTOCIRCUIT_INLINE void with_weights(const void* weights, Int type, Function function) {
  if (type == ELEMENT_BFLOAT16) {
    function(static_cast<const BFloat16*>(weights));
  } else if (type == ELEMENT_FLOAT16) {
    function(static_cast<const Float16*>(weights));
  } else {
    function(static_cast<const Element*>(weights));
  }
}
