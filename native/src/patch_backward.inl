// patch_backward for one instruction set; see native/include/patch_backward.h for what it computes.
//
// The rows (b,t) of one entry of mask_grad are cut into chunks; a thread takes whole chunks. For some
// rows at a time, as many as fit into the cache (so that what is read of each source lies together), it
// turns the gradient into g' (kept in scratch memory), followed by the carried gradient if there
// is one (see patch_project_backward.h), then
//   * mask_grad: dot products of g' [K,D] and delta [S,D], in register blocks of kDotRows x
//     kDotColumns. The lanes of each product are kept apart until the chunk ends.
//   * delta_grad: mask transposed times g', the product of patch_forward.

constexpr int64_t kEntriesOfPart = 1024;  // of mask_grad, added up together
constexpr int64_t kBackwardTileRows = 2 * kProductRows;
constexpr int64_t kGradientPanels = 8;          // panels of channels that are added at a time
constexpr int64_t kTogetherBytes = 256 * 1024;  // at most, and half the second-level cache

template <class Element>
struct BackwardScratch {
  int64_t gradients;   // K, and one more if there is a carried one
  int64_t padded;      // D, up to a whole number of panels
  int64_t stride;      // between gradients
  int64_t row_size;    // between rows of g
  int64_t together;    // rows that are handled together
  int64_t rows;        // a multiple of them, or fewer
  Element* g;          // [rows][gradients rounded up, stride]
  Element* weights;    // packed mask: blocks of sources, each [gradients][sources]
  int32_t* sources;    // those that any destination uses, ascending
  Element* total;      // [padded], the sum of g over K
  Element* tile;       // [padded/lanes][kDotColumns][lanes], the delta of some sources
  Element* products;   // blocks [kDotRows][kDotColumns][lanes]
  const void** lines;  // of the sources to be read next

  // For at most `most` rows of g, at least one; as many as are handled together if it is 0.
  BackwardScratch(const PatchBackwardCall<Element>& a, bool carried, int64_t most, Scratch& scratch)
      : gradients(a.K + (carried ? 1 : 0)),
        padded(round_up(a.D, kProductColumns<Element>)),
        stride(staggered<Element>(padded)),
        row_size(round_up(gradients, kDotRows) * stride),
        together(smaller(kTogetherBytes, second_level_bytes() / 2) /
                 larger(1, row_size * static_cast<int64_t>(sizeof(Element)))) {
    together = larger(1, smaller(together, most == 0 ? kBackwardTileRows : most));
    rows = most == 0 ? together : most;
    g = scratch.take<Element>(rows * row_size);
    weights = scratch.take<Element>(a.delta_grad == nullptr ? 0 : gradients * a.S);
    sources = scratch.take<int32_t>(a.S);
    total = scratch.take<Element>(padded);
    tile = scratch.take<Element>(padded * kDotColumns);
    lines = scratch.take<const void*>(
        divide_up(a.D, kCacheLine / static_cast<int64_t>(sizeof(Element))) * kDotColumns);
    const int64_t pairs = round_up(gradients, kDotRows) * round_up(a.S, kDotColumns);
    products = scratch.take<Element>(a.mask_grad == nullptr ? 0 : pairs * kLanes<Element>);
  }
};

template <class Element>
int64_t backward_bytes(const PatchBackwardCall<Element>& a) {
  Scratch counter = {nullptr, 0};
  BackwardScratch<Element> pieces(a, false, 0, counter);
  return counter.used;
}

// grad = g' in place, and a copy of it in `copy`.
template <class Element>
void normalize_backward(int32_t kind, int64_t n, Element* grad, const Element* normalized,
                        Element rstd, Element* copy, int64_t padded) {
  constexpr int64_t L = kLanes<Element>;
  const int64_t whole = n / L * L;
  if (kind != NORMALIZATION_NONE) {
    Vector<Element> sum[2] = {};
    Vector<Element> dot[2] = {};
    int64_t d = 0;
    for (; d + 2 * L <= whole; d += 2 * L) {
      for (int64_t i = 0; i < 2; ++i) {
        const Vector<Element> g = load(grad + d + i * L);
        sum[i] += g;
        dot[i] = fma(g, load(normalized + d + i * L), dot[i]);
      }
    }
    for (; d < whole; d += L) {
      const Vector<Element> g = load(grad + d);
      sum[0] += g;
      dot[0] = fma(g, load(normalized + d), dot[0]);
    }
    double total_sum = sum_lanes<Element>(sum[0] + sum[1]);
    double total_dot = sum_lanes<Element>(dot[0] + dot[1]);
    for (; d < n; ++d) {
      total_sum += grad[d];
      total_dot += static_cast<double>(grad[d]) * normalized[d];
    }
    const double length = static_cast<double>(n);
    const Element mean =
        kind == NORMALIZATION_LAYER_NORM ? static_cast<Element>(total_sum / length) : 0;
    const Element slope = static_cast<Element>(total_dot / length);
    const Vector<Element> means = broadcast(mean);
    const Vector<Element> slopes = broadcast(-slope);
    const Vector<Element> rstds = broadcast(rstd);
    for (d = 0; d < whole; d += L) {
      const Vector<Element> g = fma(load(normalized + d), slopes, load(grad + d) - means) * rstds;
      store(grad + d, g);
    }
    for (; d < n; ++d) grad[d] = ((grad[d] - mean) - normalized[d] * slope) * rstd;
  }
  copy_padded(grad, n, copy, padded);
}

// products[i][j] += g[i] * tile[j], lane by lane, over all vectors (one or more) of a row. (A loop that
// may run zero times costs the compiler registers.)
template <class Element, int Rows>
void dot_block(int64_t vectors, const Element* g, int64_t stride, const Element* tile,
               Element* products, const Upcoming& upcoming) {
  constexpr int64_t L = kLanes<Element>;
  Vector<Element> sum[Rows][kDotColumns];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kDotColumns; ++j) sum[i][j] = load(products + (i * kDotColumns + j) * L);
  }
  Fetches fetches(upcoming, vectors);
  do {
    int64_t v = fetches.next();
    do {
      Vector<Element> rows[Rows];
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) rows[i] = load(g + i * stride);
#pragma GCC unroll 16
      for (int j = 0; j < kDotColumns; ++j) {
        const Vector<Element> column = load(tile + j * L);
#pragma GCC unroll 16
        for (int i = 0; i < Rows; ++i) sum[i][j] = fma(rows[i], column, sum[i][j]);
      }
      g += L;
      tile += kDotColumns * L;
    } while (--v > 0);
  } while (fetches.more());
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 16
    for (int j = 0; j < kDotColumns; ++j) store(products + (i * kDotColumns + j) * L, sum[i][j]);
  }
}

template <class Element, int Rows = kDotRows>
AUTOCIRCUIT_INLINE void dot_rows(int64_t rows, int64_t vectors, const Element* g, int64_t stride,
                                 const Element* tile, Element* products, const Upcoming& upcoming) {
  if (rows == Rows) {
    dot_block<Element, Rows>(vectors, g, stride, tile, products, upcoming);
  } else if constexpr (Rows > 1) {
    dot_rows<Element, Rows - 1>(rows, vectors, g, stride, tile, products, upcoming);
  }
}

template <class Element>
struct BackwardRows {
  const PatchBackwardCall<Element>& a;
  BackwardScratch<Element> s;
  int64_t used_sources = 0;
  const Element* packed = nullptr;

  void pack_mask(const Element* mask) {
    used_sources = 0;
    for (int64_t c = 0; c < a.S; ++c) {
      bool used = false;
      for (int64_t k = 0; k < s.gradients; ++k) used = used || mask[k * a.mask_k + c] != 0;
      if (used) s.sources[used_sources++] = static_cast<int32_t>(c);
    }
    const Blocks blocks(used_sources);
    Element* w = s.weights;
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int32_t* c = s.sources + blocks.begin(block);
      for (int64_t k = 0; k < s.gradients; ++k) {
        for (int64_t i = 0; i < blocks.size(block); ++i) *w++ = mask[k * a.mask_k + c[i]];
      }
    }
  }

  // g' of destination k at one row, in place in `grad`, and a copy.
  void norm(int64_t k, int64_t b, int64_t t, Element* grad, Element* copy) {
    const bool none = a.normalization == NORMALIZATION_NONE;
    normalize_backward<Element>(
        a.normalization, a.D, grad,
        none ? nullptr
             : a.normalized + k * a.normalized_k + b * a.normalized_b + t * a.normalized_t,
        none ? 1 : a.rstd[k * a.rstd_k + b * a.rstd_b + t * a.rstd_t], copy, s.padded);
  }

  void add_resid_grad(const Element* g, Element* to) {
    constexpr int64_t L = kLanes<Element>;
    for (int64_t d = 0; d < s.padded; d += L) {
      Vector<Element> sum = load(g + d);
      for (int64_t k = 1; k < a.K; ++k) sum += load(g + k * s.stride + d);
      store(s.total + d, sum);
    }
    for (int64_t d = 0; d < a.D; ++d) to[d] += s.total[d];
  }

  const Element* delta_row(int64_t row) const {
    return a.delta + row / a.T * a.delta_b + row % a.T * a.delta_t;
  }

  // Copies n channels, filled up with zeros, to one column of the tile.
  static void pack_column(const Element* source, int64_t n, int64_t vectors, Element* column) {
    constexpr int64_t L = kLanes<Element>;
    const int64_t whole = n / L;
    for (int64_t v = 0; v < whole; ++v) {
      store(column + v * kDotColumns * L, load(source + v * L));
    }
    for (int64_t v = whole; v < vectors; ++v) {
      copy_padded(source + v * L, larger(n - v * L, 0), column + v * kDotColumns * L, L);
    }
  }

  // Adds `count` rows from `first` on, `step` apart, to the products; `more` if others follow.
  void add_products(int64_t first, int64_t step, int64_t count, const Element* g, bool more) {
    constexpr int64_t L = kLanes<Element>;
    constexpr int64_t J = kDotColumns;
    constexpr int64_t line = kCacheLine / static_cast<int64_t>(sizeof(Element));
    const int64_t vectors = divide_up(a.D, L);
    const int64_t blocks = divide_up(s.gradients, kDotRows);
    Element* products = s.products;
    for (int64_t c = 0; c < a.S; c += J) {
      const int64_t columns = smaller(J, a.S - c);
      for (int64_t i = 0; i < count; ++i) {
        const Element* delta = delta_row(first + i * step) + c * a.delta_s;
        for (int64_t j = 0; j < J; ++j) {
          pack_column(delta + j * a.delta_s, j < columns ? a.D : 0, vectors, s.tile + j * L);
        }
        // what comes next: these sources at the next row, or the next ones at the first
        const Element* then = nullptr;
        int64_t then_columns = columns;
        if (i + 1 < count) {
          then = delta_row(first + (i + 1) * step) + c * a.delta_s;
        } else if (c + J < a.S) {
          then = delta_row(first) + (c + J) * a.delta_s;
          then_columns = smaller(J, a.S - c - J);
        } else if (more) {
          then = delta_row(first + count * step);
          then_columns = smaller(J, a.S);
        }
        int64_t lines = 0;
        for (int64_t j = 0; then != nullptr && j < then_columns; ++j) {
          const Element* source = then + j * a.delta_s;
          for (int64_t d = 0; d < a.D; d += line) s.lines[lines++] = source + d;
        }
        for (int64_t block = 0; block < blocks; ++block) {
          // each block fetches its share of them
          const int64_t begin = lines * block / blocks;
          const Upcoming upcoming = {s.lines + begin, lines * (block + 1) / blocks - begin};
          dot_rows<Element>(smaller(kDotRows, s.gradients - block * kDotRows), vectors,
                            g + i * s.row_size + block * kDotRows * s.stride, s.stride, s.tile,
                            products + block * kDotRows * J * L, upcoming);
        }
      }
      products += blocks * kDotRows * J * L;
    }
  }

  // Sums the lanes of the products into to[gradients][S].
  template <class To>
  void finish_products(To* to) {
    constexpr int64_t L = kLanes<Element>;
    const Element* products = s.products;
    for (int64_t c = 0; c < a.S; c += kDotColumns) {
      for (int64_t k = 0; k < s.gradients; k += kDotRows) {
        for (int64_t i = 0; i < smaller(kDotRows, s.gradients - k); ++i) {
          for (int64_t j = 0; j < smaller(kDotColumns, a.S - c); ++j) {
            to[(k + i) * a.S + c + j] =
                sum_lanes<Element>(load(products + (i * kDotColumns + j) * L));
          }
        }
        products += kDotRows * kDotColumns * L;
      }
    }
  }

  // Adds to channels [d, end) of delta_grad what one block of sources gets from one row.
  void add_to_sources(int64_t first, int64_t size, int64_t d, int64_t end, const Element* g,
                      Element* delta_grad) {
    constexpr int64_t C = kProductColumns<Element>;
    const int64_t n = s.gradients;
    Element* row[kProductRows] = {};
    for (int64_t i = 0; i < size; ++i) row[i] = delta_grad + s.sources[first + i] * a.grad_s;
    for (; d + C <= end; d += C) {
      Element* to[kProductRows] = {};
      for (int64_t i = 0; i < size; ++i) {
        to[i] = row[i] + d;
        __builtin_prefetch(to[i] + 2 * C, 1, 2);
        __builtin_prefetch(to[i] + 2 * C + C / 2, 1, 2);
      }
      product<Element>(size, n, s.weights + first * n, g + d, s.stride, to, to, kNothing);
    }
    if (d < end) {
      Element edge[kProductRows][C];
      Element* to[kProductRows] = {};
      for (int64_t i = 0; i < size; ++i) {
        to[i] = edge[i];
        copy_padded(row[i] + d, a.D - d, edge[i], C);
      }
      product<Element>(size, n, s.weights + first * n, g + d, s.stride, to, to, kNothing);
      for (int64_t i = 0; i < size; ++i) {
        for (int64_t e = 0; d + e < a.D; ++e) row[i][d + e] = edge[i][e];
      }
    }
  }

  const Element* mask_row(int64_t row) const {
    return a.mask + row / a.T * a.mask_b + row % a.T * a.mask_t;
  }

  // Adds `count` rows from `first` on, `step` apart, to delta_grad.
  void add_delta_grad(int64_t first, int64_t step, int64_t count, const Element* g) {
    for (int64_t begin = 0; begin < count;) {
      const Element* mask = mask_row(first + begin * step);
      int64_t end = begin + 1;
      while (end < count && mask_row(first + end * step) == mask) ++end;
      if (mask != packed) pack_mask(mask);
      packed = mask;
      const Blocks blocks(used_sources);
      // the gradients of some channels stay in the first-level cache for all sources
      constexpr int64_t channels = kGradientPanels * kProductColumns<Element>;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t row = first + i * step;
        Element* to = a.delta_grad + row / a.T * a.grad_b + row % a.T * a.grad_t;
        for (int64_t d = 0; d < a.D; d += channels) {
          for (int64_t block = 0; block < blocks.count; ++block) {
            add_to_sources(blocks.begin(block), blocks.size(block), d, smaller(a.D, d + channels),
                           g + i * s.row_size, to);
          }
        }
      }
      begin = end;
    }
  }

  // One chunk: `count` rows from `first` on, `step` apart; their mask_grad goes to `partial`, or to
  // `whole` if that is null. `produce(first, step, count)` makes the g of at most s.rows rows.
  template <class Produce>
  void run(int64_t first, int64_t step, int64_t count, double* partial, Element* whole,
           const Produce& produce) {
    const bool products = a.mask_grad != nullptr && a.S > 0;
    if (products) {
      const int64_t n =
          round_up(s.gradients, kDotRows) * round_up(a.S, kDotColumns) * kLanes<Element>;
      for (int64_t i = 0; i < n; ++i) s.products[i] = 0;
    }
    for (int64_t made = 0; made < count; made += s.rows) {
      const int64_t end = smaller(count, made + s.rows);
      produce(first + made * step, step, end - made);
      for (int64_t begin = made; begin < end; begin += s.together) {
        const int64_t rows = smaller(s.together, end - begin);
        const int64_t start = first + begin * step;
        const Element* g = s.g + (begin - made) * s.row_size;
        for (int64_t i = 0; a.resid_grad != nullptr && a.K > 0 && i < rows; ++i) {
          const int64_t row = start + i * step;
          add_resid_grad(g + i * s.row_size,
                         a.resid_grad + row / a.T * a.resid_b + row % a.T * a.resid_t);
        }
        if (products) add_products(start, step, rows, g, begin + rows < count);
        if (a.delta_grad != nullptr && a.S > 0) add_delta_grad(start, step, rows, g);
      }
    }
    if (products && partial != nullptr) finish_products(partial);
    if (products && partial == nullptr) finish_products(whole);
  }
};

// The chunks of a call that `parts` gives this thread; `produce` is for BackwardRows::run.
template <class Element, class Produce>
void backward_chunks(BackwardRows<Element>& rows, const Chunks& chunks, double* partials,
                     Parts& parts, const Produce& produce) {
  const PatchBackwardCall<Element>& a = rows.a;
  const int64_t entries = rows.s.gradients * a.S;
  for (int64_t unit; parts.take(&unit);) {
    const int64_t group = unit / chunks.per_group;
    const int64_t begin = unit % chunks.per_group * chunks.rows;
    // rows of a group: all, those of a prompt, those of a position, or a single one
    const int64_t step = a.per_position ? a.T : 1;
    const int64_t start = a.per_prompt ? (a.per_position ? group : group * a.T) : group;
    rows.run(start + begin * step, step, smaller(chunks.rows, chunks.group_rows - begin),
             partials == nullptr ? nullptr : partials + unit * entries,
             a.mask_grad == nullptr ? nullptr : a.mask_grad + group * entries, produce);
  }
}

// Adds up the chunks' sums for `gradients` destinations.
template <class Element>
void add_chunks(const PatchBackwardCall<Element>& a, int64_t gradients, const Chunks& chunks,
                int threads, const double* partials) {
  if (partials == nullptr) return;
  const int64_t entries = gradients * a.S;
  const int64_t all = chunks.groups * entries;
  share_parts(threads, divide_up(all, kEntriesOfPart), [&](int64_t part) {
    const int64_t end = smaller(all, (part + 1) * kEntriesOfPart);
    for (int64_t i = part * kEntriesOfPart; i < end; ++i) {
      const double* partial = partials + i / entries * chunks.per_group * entries + i % entries;
      double sum = 0;
      for (int64_t c = 0; c < chunks.per_group; ++c) sum += partial[c * entries];
      a.mask_grad[i] = static_cast<Element>(sum);
    }
  });
}

template <class Element>
void backward(const PatchBackwardCall<Element>& a, const Chunks& chunks, int threads, char* scratch,
              double* partials) {
  const int64_t bytes = backward_bytes(a);
  share(threads, chunks.groups * chunks.per_group, [&](int member, Parts& parts) {
    Scratch mine = {scratch + member * bytes, 0};
    BackwardRows<Element> rows{a, BackwardScratch<Element>(a, false, 0, mine)};
    const auto produce = [&](int64_t first, int64_t step, int64_t count) {
      for (int64_t k = 0; k < a.K; ++k) {
        for (int64_t i = 0; i < count; ++i) {
          const int64_t row = first + i * step;
          rows.norm(k, row / a.T, row % a.T, a.grad + (k * a.B * a.T + row) * a.D,
                    rows.s.g + i * rows.s.row_size + k * rows.s.stride);
        }
      }
    };
    backward_chunks(rows, chunks, partials, parts, produce);
  });
  add_chunks(a, a.K, chunks, threads, partials);
}
