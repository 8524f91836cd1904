// matrix_product for one instruction set; see native/include/matrix_product.h for what it computes.
//
// A thread takes a rectangle of the result. For some channels k and columns n at a time, the matrix is
// packed into panels of one register block's width. For as many rows as fit into the second-level
// cache, x is packed into blocks of kProductRows, and every panel is multiplied with all of them from
// the first-level cache. With few rows a panel is packed just before, or read where it is.

constexpr int64_t kMatrixPartsPerThread = 4;
constexpr int64_t kMatrixDepth = 384;                // channels at a time
constexpr int64_t kMatrixPanels = 64;                // panels at a time, if there are more rows
constexpr int64_t kPackedPanels = 4;                 // panels that are packed together
constexpr int64_t kUnpackedRows = 2 * kProductRows;  // up to so many rows panels are not packed

// Cache lines of a panel's row.
template <class Element>
constexpr int64_t kPanelLines =
    divide_up(kProductColumns<Element>* static_cast<int64_t>(sizeof(Element)), kCacheLine);

// Rows at a time: packed, they take some 0.42 of the second-level cache.
template <class Element>
int64_t matrix_rows(int64_t depth) {
  const int64_t row = larger(1, depth) * static_cast<int64_t>(sizeof(Element));
  return larger(1, second_level_bytes() * 27 / 64 / row / kProductRows) * kProductRows;
}

template <class Element>
struct MatrixScratch {
  int64_t rows;        // at a time
  int64_t panel_size;  // with a cache line more, so that panels do not fall on the same sets
  int64_t panel_count;
  Element* x;          // blocks of rows, each [depth][rows of the block]
  Element* panels;     // [panel_count][depth][C]
  Element* edge;       // [kProductRows][C]
  Element* start;      // [C]
  const void** lines;  // [depth * kPanelLines], of the next panel where the matrix is read

  explicit MatrixScratch(const MatrixProductCall<Element>& a, Scratch& scratch) {
    constexpr int64_t C = kProductColumns<Element>;
    const int64_t depth = smaller(a.K, kMatrixDepth);
    panel_size = depth * C + kCacheLine / static_cast<int64_t>(sizeof(Element));
    rows = matrix_rows<Element>(depth);
    panel_count = a.M <= rows ? 1 : smaller(kMatrixPanels, divide_up(a.N, C));
    x = scratch.take<Element>(smaller(a.M, rows) * depth);
    panels = scratch.take<Element>(panel_count * panel_size);
    edge = scratch.take<Element>(kProductRows * C);
    start = scratch.take<Element>(C);
    lines = scratch.take<const void*>(depth * kPanelLines<Element>);
  }
};

template <class Element>
int64_t matrix_bytes(const MatrixProductCall<Element>& a) {
  Scratch counter = {nullptr, 0};
  MatrixScratch<Element> pieces(a, counter);
  return counter.used;
}

// Packs x[m0 : m0+size][k0 : k0+n] as [n][size].
template <class Element>
AUTOCIRCUIT_INLINE void pack_rows_of(const MatrixProductCall<Element>& a, int64_t m0, int64_t size,
                                     int64_t k0, int64_t n, Element* to) {
  const Element* x = a.x + m0 * a.x_m + k0;
  if (size == kProductRows) {
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 16
      for (int64_t i = 0; i < kProductRows; ++i) to[k * kProductRows + i] = x[i * a.x_m + k];
    }
    return;
  }
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < size; ++i) to[k * size + i] = x[i * a.x_m + k];
  }
}

// Exchanges rows and columns of a square of registers: blocks of 1, 2, 4, ... beside the diagonal.
template <class Element>
AUTOCIRCUIT_INLINE void transpose(Vector<Element>* rows) {
  constexpr int64_t L = kLanes<Element>;
#pragma GCC unroll 4
  for (int64_t step = 1; step < L; step *= 2) {
    typename Simd<Element>::Indices low;
    typename Simd<Element>::Indices high;
#pragma GCC unroll 16
    for (int64_t j = 0; j < L; ++j) {
      low[j] = (j & step) != 0 ? L + j - step : j;
      high[j] = (j & step) != 0 ? L + j : j + step;
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < L; ++i) {
      if ((i & step) != 0) continue;
      const Vector<Element> a = rows[i];
      const Vector<Element> b = rows[i + step];
      rows[i] = shuffle<Element>(a, b, low);
      rows[i + step] = shuffle<Element>(a, b, high);
    }
  }
}

// Packs columns [n0, n0 + columns) of channels [k0, k0 + n), zeros up to C.
template <class Element, class Stored>
void pack_panel_of(const MatrixProductCall<Element>& a, const Stored* weights, int64_t k0,
                   int64_t n, int64_t n0, int64_t columns, Element* panel) {
  constexpr int64_t C = kProductColumns<Element>;
  if (!a.transposed) {
    const Stored* w = weights + k0 * a.w_row + n0;
    if (columns == C) {
      for (int64_t k = 0; k < n; ++k) {
        store(panel + k * C, load_as<Element>(w + k * a.w_row));
        store(panel + k * C + kLanes<Element>, load_as<Element>(w + k * a.w_row + kLanes<Element>));
      }
    } else {
      for (int64_t k = 0; k < n; ++k) copy_padded(w + k * a.w_row, columns, panel + k * C, C);
    }
    return;
  }
  constexpr int64_t L = kLanes<Element>;
  const Stored* w = weights + n0 * a.w_row + k0;
  int64_t k = 0;
  for (; columns == C && k + L <= n; k += L) {
    for (int64_t c = 0; c < C; c += L) {
      Vector<Element> square[L];
#pragma GCC unroll 16
      for (int64_t i = 0; i < L; ++i) square[i] = load_as<Element>(w + (c + i) * a.w_row + k);
      transpose<Element>(square);
#pragma GCC unroll 16
      for (int64_t i = 0; i < L; ++i) store(panel + (k + i) * C + c, square[i]);
    }
  }
  for (; k < n; ++k) {
    for (int64_t c = 0; c < C; ++c) {
      panel[k * C + c] = c < columns ? widened<Element>(w[c * a.w_row + k]) : 0;
    }
  }
}

// Packs columns [n0, n1), a few panels at a time: what is read of a row then lies together.
template <class Element, class Stored>
void pack_panels(const MatrixProductCall<Element>& a, const Stored* weights,
                 const MatrixScratch<Element>& s, int64_t k0, int64_t n, int64_t n0, int64_t n1) {
  constexpr int64_t C = kProductColumns<Element>;
  int64_t column = n0;
  Element* panel = s.panels;
  for (; !a.transposed && column + kPackedPanels * C <= n1; column += kPackedPanels * C) {
    const Stored* w = weights + k0 * a.w_row + column;
    for (int64_t k = 0; k < n; ++k) {
#pragma GCC unroll 4
      for (int64_t p = 0; p < kPackedPanels; ++p) {
        Element* to = panel + p * s.panel_size + k * C;
        store(to, load_as<Element>(w + k * a.w_row + p * C));
        store(to + kLanes<Element>, load_as<Element>(w + k * a.w_row + p * C + kLanes<Element>));
      }
    }
    panel += kPackedPanels * s.panel_size;
  }
  for (; column < n1; column += C) {
    pack_panel_of(a, weights, k0, n, column, smaller(C, n1 - column), panel);
    panel += s.panel_size;
  }
}

// Rows [m0, m1), packed, and columns [n, n + columns) of the result, for channels from k0 on.
template <class Element>
void matrix_panel(const MatrixProductCall<Element>& a, const MatrixScratch<Element>& s, int64_t m0,
                  int64_t m1, int64_t n, int64_t columns, int64_t k0, int64_t depth,
                  const Element* panel, int64_t stride, const Upcoming& next) {
  constexpr int64_t C = kProductColumns<Element>;
  const Blocks blocks(m1 - m0);
  const bool whole = columns == C;
  const bool bias = k0 == 0 && a.start_m == 0;
  if (bias && a.start == nullptr) {
    for (int64_t c = 0; c < C; ++c) s.start[c] = 0;
  } else if (bias) {
    copy_padded(a.start + n, columns, s.start, C);
  }
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t first = blocks.begin(block);
    const int64_t size = blocks.size(block);
    const Element* from[kProductRows];
    Element* to[kProductRows];
    for (int64_t i = 0; i < size; ++i) {
      const int64_t row = m0 + first + i;
      Element* out = a.out + row * a.out_m + n;
      to[i] = whole ? out : s.edge + i * C;
      from[i] = bias ? s.start : k0 == 0 ? a.start + row * a.start_m + n : out;
      if (!whole && !bias) {
        copy_padded(from[i], columns, to[i], C);
        from[i] = to[i];
      }
      // what the next block adds to
      __builtin_prefetch(out + kProductRows * a.out_m, 1, 2);
    }
    // each block fetches its share of the next panel
    const int64_t begin = next.count * block / blocks.count;
    const int64_t end = next.count * (block + 1) / blocks.count;
    product<Element>(size, depth, s.x + first * depth, panel, stride, from, to,
                     {next.lines + begin, end - begin});
    for (int64_t i = 0; !whole && i < size; ++i) {
      copy_padded(s.edge + i * C, columns, a.out + (m0 + first + i) * a.out_m + n, columns);
    }
  }
}

template <class Element>
void pack_blocks(const MatrixProductCall<Element>& a, const MatrixScratch<Element>& s, int64_t m0,
                 int64_t m1, int64_t k0, int64_t depth) {
  const Blocks blocks(m1 - m0);
  for (int64_t block = 0; block < blocks.count; ++block) {
    pack_rows_of(a, m0 + blocks.begin(block), blocks.size(block), k0, depth,
                 s.x + blocks.begin(block) * depth);
  }
}

// The cache lines of the panel that begins at column n.
template <class Element>
Upcoming next_panel(const MatrixProductCall<Element>& a, const MatrixScratch<Element>& s,
                    int64_t k0, int64_t depth, int64_t n, int64_t end) {
  if (a.transposed || n >= end) return kNothing;
  int64_t count = 0;
  with_weights<Element>(a.w, a.w_type, [&](const auto* weights) {
    constexpr int64_t bytes = kProductColumns<Element> * static_cast<int64_t>(sizeof *weights);
    for (int64_t k = k0; k < k0 + depth; ++k) {
      const char* row = reinterpret_cast<const char*>(weights + k * a.w_row + n);
      for (int64_t at = 0; at < bytes; at += kCacheLine) s.lines[count++] = row + at;
    }
  });
  return {s.lines, count};
}

// Rows [m0, m1) and columns [n0, n1) of the result.
template <class Element>
void matrix_tile(const MatrixProductCall<Element>& a, const MatrixScratch<Element>& s, int64_t m0,
                 int64_t m1, int64_t n0, int64_t n1) {
  constexpr int64_t C = kProductColumns<Element>;
  const bool few = m1 - m0 <= s.rows;
  const bool unpacked = a.w_type == a.type && !a.transposed && m1 - m0 <= kUnpackedRows;
  for (int64_t k0 = 0; k0 < a.K; k0 += kMatrixDepth) {
    const int64_t depth = smaller(kMatrixDepth, a.K - k0);
    if (few) {
      pack_blocks(a, s, m0, m1, k0, depth);
      for (int64_t n = n0; n < n1; n += C) {
        const int64_t columns = smaller(C, n1 - n);
        const Upcoming next = next_panel(a, s, k0, depth, n + C, n1);
        if (unpacked && columns == C) {
          const Element* w = static_cast<const Element*>(a.w) + k0 * a.w_row + n;
          matrix_panel(a, s, m0, m1, n, columns, k0, depth, w, a.w_row, next);
        } else {
          with_weights<Element>(a.w, a.w_type, [&](const auto* weights) {
            pack_panel_of(a, weights, k0, depth, n, columns, s.panels);
          });
          matrix_panel(a, s, m0, m1, n, columns, k0, depth, s.panels, C, next);
        }
      }
      continue;
    }
    for (int64_t begin = n0; begin < n1; begin += s.panel_count * C) {
      const int64_t end = smaller(n1, begin + s.panel_count * C);
      with_weights<Element>(a.w, a.w_type, [&](const auto* weights) {
        pack_panels(a, weights, s, k0, depth, begin, end);
      });
      for (int64_t m = m0; m < m1; m += s.rows) {
        const int64_t stop = smaller(m1, m + s.rows);
        pack_blocks(a, s, m, stop, k0, depth);
        const Element* panel = s.panels;
        for (int64_t n = begin; n < end; n += C) {
          matrix_panel(a, s, m, stop, n, smaller(C, end - n), k0, depth, panel, C, kNothing);
          panel += s.panel_size;
        }
      }
    }
  }
}

template <class Element>
void matrix_product(const MatrixProductCall<Element>& a, int threads, char* scratch) {
  constexpr int64_t C = kProductColumns<Element>;
  if (a.K == 0) {
    for (int64_t m = 0; m < a.M; ++m) {
      for (int64_t n = 0; n < a.N; ++n) {
        a.out[m * a.out_m + n] = a.start == nullptr ? 0 : a.start[m * a.start_m + n];
      }
    }
    return;
  }
  const int64_t bytes = matrix_bytes(a);
  const int64_t rows = divide_up(a.M, kProductRows);
  const int64_t columns = divide_up(a.N, C);
  const int64_t pieces = threads == 1 ? 1 : threads * kMatrixPartsPerThread;
  // as many parts of the rows as make the rectangles most alike a square
  int64_t parts_of_rows = 1;
  int64_t least = a.M + a.N;
  for (int64_t p = 1; p <= pieces; ++p) {
    const int64_t sides = divide_up(a.M, p) + divide_up(a.N, pieces / p);
    if (pieces % p == 0 && p <= rows && sides < least) {
      parts_of_rows = p;
      least = sides;
    }
  }
  const int64_t others = pieces / parts_of_rows;
  share(threads, pieces, [&](int member, Parts& parts) {
    Scratch mine = {scratch + member * bytes, 0};
    const MatrixScratch<Element> own(a, mine);
    for (int64_t part; parts.take(&part);) {
      const int64_t i = part % parts_of_rows;
      const int64_t j = part / parts_of_rows;
      matrix_tile(a, own, smaller(a.M, rows * i / parts_of_rows * kProductRows),
                  smaller(a.M, rows * (i + 1) / parts_of_rows * kProductRows),
                  smaller(a.N, columns * j / others * C),
                  smaller(a.N, columns * (j + 1) / others * C));
    }
  });
}
