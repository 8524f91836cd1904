// The blocked product both kernels are made of: rows of x, updated with weighted rows of b.

// Channels of one register block.
template <class Element>
constexpr int64_t kProductColumns = 2 * kLanes<Element>;

// Cache lines that a later call will read: a product brings them nearer, one after the other, evenly
// over its time. Too many at once would keep its own loads waiting behind them.
struct Upcoming {
  const void* const* lines;
  int64_t count;
};

constexpr Upcoming kNothing = {nullptr, 0};

// Spreads the fetches of `upcoming` over n steps, one or more:
//   do { steps = next(); ... } while (more());
class Fetches {
 public:
  AUTOCIRCUIT_INLINE Fetches(const Upcoming& upcoming, int64_t n)
      : line_(upcoming.lines),
        end_(upcoming.lines + upcoming.count),
        left_(n),
        step_(upcoming.count < n ? n / (upcoming.count + 1) : 1) {}

  AUTOCIRCUIT_INLINE int64_t next() {
    int64_t steps = left_;
    if (line_ != end_) {
      __builtin_prefetch(*line_++, 0, 3);
      steps = smaller(step_, left_);
    }
    left_ -= steps;
    return steps;
  }

  // Whether there are steps; if not, whatever was not fetched is.
  AUTOCIRCUIT_INLINE bool more() {
    if (left_ > 0) return true;
    while (line_ != end_) __builtin_prefetch(*line_++, 0, 3);
    return false;
  }

 private:
  const void* const* line_;
  const void* const* end_;
  int64_t left_, step_;
};

// to[i][0:C] = from[i][0:C] + sum_{j < n} weights[j*Rows + i] * b[j*stride + (0:C)], C columns, in
// ascending j; n is positive. (A loop that may run zero times costs the compiler registers.)
template <class Element, int Rows>
void product_block(int64_t n, const Element* weights, const Element* b, int64_t stride,
                   const Element* const* from, Element* const* to, const Upcoming& upcoming) {
  constexpr int64_t L = kLanes<Element>;
  Vector<Element> sum[Rows][2];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    sum[i][0] = load(from[i]);
    sum[i][1] = load(from[i] + L);
  }
  Fetches fetches(upcoming, n);
  do {
    int64_t j = fetches.next();
    do {
      const Vector<Element> b0 = load(b);
      const Vector<Element> b1 = load(b + L);
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) {
        const Vector<Element> w = broadcast(weights[i]);
        sum[i][0] = fma(w, b0, sum[i][0]);
        sum[i][1] = fma(w, b1, sum[i][1]);
      }
      weights += Rows;
      b += stride;
    } while (--j > 0);
  } while (fetches.more());
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    store(to[i], sum[i][0]);
    store(to[i] + L, sum[i][1]);
  }
}

template <class Element, int Rows = kProductRows>
AUTOCIRCUIT_INLINE void product_of_rows(int64_t rows, int64_t n, const Element* weights,
                                        const Element* b, int64_t stride,
                                        const Element* const* from, Element* const* to,
                                        const Upcoming& upcoming) {
  if (rows == Rows) {
    product_block<Element, Rows>(n, weights, b, stride, from, to, upcoming);
  } else if constexpr (Rows > 1) {
    product_of_rows<Element, Rows - 1>(rows, n, weights, b, stride, from, to, upcoming);
  }
}

// product_block for a number of rows known at run time, at most kProductRows.
template <class Element>
void product(int64_t rows, int64_t n, const Element* weights, const Element* b, int64_t stride,
             const Element* const* from, Element* const* to, const Upcoming& upcoming) {
  product_of_rows<Element>(rows, n, weights, b, stride, from, to, upcoming);
}

// Cuts `rows` rows into as few blocks as kProductRows allows, of nearly equal size.
struct Blocks {
  int64_t count, small, extra;

  AUTOCIRCUIT_INLINE explicit Blocks(int64_t rows)
      : count(divide_up(rows, kProductRows)),
        small(count == 0 ? 0 : rows / count),
        extra(count == 0 ? 0 : rows % count) {}
  AUTOCIRCUIT_INLINE int64_t begin(int64_t block) const {
    return block * small + smaller(block, extra);
  }
  AUTOCIRCUIT_INLINE int64_t size(int64_t block) const { return small + (block < extra ? 1 : 0); }
};

// Copies n elements, widened where they are weights of 16 bits, and fills up to `padded` with zeros.
template <class Element, class Stored>
AUTOCIRCUIT_INLINE void copy_padded(const Stored* from, int64_t n, Element* to, int64_t padded) {
  int64_t d = 0;
  for (; d + kLanes<Element> <= n; d += kLanes<Element>) store(to + d, load_as<Element>(from + d));
  for (; d < n; ++d) to[d] = widened<Element>(from[d]);
  for (; d < padded; ++d) to[d] = 0;
}

// A row length whose rows, laid one after the other, do not fall on the same cache sets.
template <class Element>
AUTOCIRCUIT_INLINE int64_t staggered(int64_t length) {
  const int64_t line = kCacheLine / static_cast<int64_t>(sizeof(Element));
  const int64_t lines = divide_up(length, line);
  return (lines % 2 == 0 ? lines + 1 : lines) * line;
}

// out[i][0:C] = init[0:C] + sum_{j < n} x[i*x_stride + j] * b[j*C + (0:C)], C columns, in ascending j,
// for Rows rows; n is positive. The rows' addresses are multiples of a few registers: a pointer of
// its own for each row would not fit.
template <class Element, int Rows>
void project_block(int64_t n, const Element* x, int64_t x_stride, const Element* b,
                   const Element* init, Element* out, int64_t out_stride) {
  static_assert(Rows <= 12, "the offsets below are for at most 12 rows");
  constexpr int64_t L = kLanes<Element>;
  Vector<Element> sum[Rows][2];
  const Vector<Element> init0 = load(init);
  const Vector<Element> init1 = load(init + L);
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    sum[i][0] = init0;
    sum[i][1] = init1;
  }
  const char* q = reinterpret_cast<const char*>(x);
  const int64_t s1 = x_stride * static_cast<int64_t>(sizeof(Element));
  const int64_t s3 = 3 * s1, s5 = 5 * s1, s7 = 7 * s1, s9 = 9 * s1, s11 = 11 * s1;
  const int64_t offset[12] = {0, s1, 2 * s1, s3, 4 * s1, s5, 2 * s3, s7, 8 * s1, s9, 2 * s5, s11};
  int64_t j = 0;
  do {
    const Vector<Element> b0 = load(b);
    const Vector<Element> b1 = load(b + L);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vector<Element> w = broadcast(*reinterpret_cast<const Element*>(q + offset[i]));
      sum[i][0] = fma(w, b0, sum[i][0]);
      sum[i][1] = fma(w, b1, sum[i][1]);
    }
    q += sizeof(Element);
    b += 2 * L;
  } while (++j < n);
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    store(out + i * out_stride, sum[i][0]);
    store(out + i * out_stride + L, sum[i][1]);
  }
}

// project_block for a number of rows known at run time, at most Rows, and any n.
template <class Element, int Rows = kProductRows>
AUTOCIRCUIT_INLINE void project_rows(int64_t rows, int64_t n, const Element* x, int64_t x_stride,
                                     const Element* b, const Element* init, Element* out,
                                     int64_t out_stride) {
  if (Rows == kProductRows && n == 0) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t c = 0; c < kProductColumns<Element>; ++c) out[i * out_stride + c] = init[c];
    }
    return;
  }
  if (rows == Rows) {
    project_block<Element, Rows>(n, x, x_stride, b, init, out, out_stride);
  } else if constexpr (Rows > 1) {
    project_rows<Element, Rows - 1>(rows, n, x, x_stride, b, init, out, out_stride);
  }
}

// Copies columns [column, column + C) of n rows of a matrix next to each other; columns from `end`
// on are zero.
template <class Element, class Stored>
AUTOCIRCUIT_INLINE void pack_panel(const Stored* matrix, int64_t stride, int64_t n, int64_t column,
                                   int64_t end, Element* panel) {
  constexpr int64_t C = kProductColumns<Element>;
  for (int64_t j = 0; j < n; ++j) {
    copy_padded(matrix + j * stride + column, smaller(C, end - column), panel + j * C, C);
  }
}
