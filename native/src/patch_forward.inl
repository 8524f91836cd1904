// patch_forward for one instruction set; see native/include/patch_forward.h for what it computes.
//
// One thread takes a run of rows (b,t). Per row, the channels are cut into chunks; the chunk of every
// source is copied into panels of one register block's width (the sources lie a whole tensor apart,
// often on the same cache sets), which stay in the second-level cache while all destinations use
// them. The next chunk is fetched meanwhile. The sums of a row stay in scratch memory until they are
// normalised and written, once.

constexpr int64_t kForwardPanels = 8;     // panels of a chunk
constexpr int64_t kForwardSources = 256;  // sources of a chunk

template <class Element>
struct ForwardScratch {
  int64_t padded;         // D, up to a whole number of panels
  int64_t stride;         // between rows of x
  Element* resid;         // [padded]
  Element* x;             // [K, stride]
  Element* panels;        // [panels][sources][kProductColumns]
  Element* weights;       // packed mask: blocks of destinations, each [sources][destinations]
  Element* unpatched;     // [D], norm(resid)
  int32_t* destinations;  // those whose mask is not all zero, ascending
  int32_t* sources;       // those that any destination uses, ascending

  ForwardScratch(const ForwardArguments<Element>& a, Scratch& scratch)
      : padded(round_up(a.D, kProductColumns<Element>)), stride(staggered<Element>(padded)) {
    resid = scratch.take<Element>(padded);
    x = scratch.take<Element>(a.K * stride);
    panels = scratch.take<Element>(smaller(a.S, kForwardSources) *
                                   smaller(padded, kForwardPanels * kProductColumns<Element>));
    weights = scratch.take<Element>(a.K * a.S);
    unpatched = scratch.take<Element>(a.D);
    destinations = scratch.take<int32_t>(a.K);
    sources = scratch.take<int32_t>(a.S);
  }
};

template <class Element>
int64_t forward_bytes(const ForwardArguments<Element>& a) {
  Scratch counter = {nullptr, 0};
  ForwardScratch<Element> pieces(a, counter);
  return counter.used;
}

// to = norm(x) over n elements; returns the reciprocal root.
template <class Element>
Element normalize(int32_t kind, double epsilon, int64_t n, const Element* x, Element* to) {
  constexpr int64_t L = kLanes<Element>;
  const int64_t whole = n / L * L;
  if (kind == NORMALIZATION_NONE) {
    copy_padded(x, n, to, n);
    return 1;
  }
  Element mean = 0;
  if (kind == NORMALIZATION_LAYER_NORM) {
    Vector<Element> sum[4] = {};
    int64_t d = 0;
    for (; d + 4 * L <= whole; d += 4 * L) {
      for (int64_t i = 0; i < 4; ++i) sum[i] += load(x + d + i * L);
    }
    for (; d < whole; d += L) sum[0] += load(x + d);
    double total = sum_lanes<Element>((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (; d < n; ++d) total += x[d];
    mean = static_cast<Element>(total / static_cast<double>(n));
  }
  const Vector<Element> means = broadcast(mean);
  Vector<Element> square[4] = {};
  int64_t d = 0;
  for (; d + 4 * L <= whole; d += 4 * L) {
    for (int64_t i = 0; i < 4; ++i) {
      const Vector<Element> c = load(x + d + i * L) - means;
      square[i] = fma(c, c, square[i]);
    }
  }
  for (; d < whole; d += L) {
    const Vector<Element> c = load(x + d) - means;
    square[0] = fma(c, c, square[0]);
  }
  double total = sum_lanes<Element>((square[0] + square[1]) + (square[2] + square[3]));
  for (; d < n; ++d) {
    const double c = static_cast<double>(x[d]) - mean;
    total += c * c;
  }
  const Element rstd =
      static_cast<Element>(1 / __builtin_sqrt(total / static_cast<double>(n) + epsilon));
  const Vector<Element> rstds = broadcast(rstd);
  for (d = 0; d < whole; d += L) store(to + d, (load(x + d) - means) * rstds);
  for (; d < n; ++d) to[d] = (x[d] - mean) * rstd;
  return rstd;
}

template <class Element>
struct ForwardRows {
  const ForwardArguments<Element>& a;
  ForwardScratch<Element> s;
  int64_t used_destinations = 0;
  int64_t used_sources = 0;

  // Finds what the mask uses and packs it for product().
  void pack_mask(const Element* mask) {
    used_destinations = 0;
    for (int64_t c = 0; c < a.S; ++c) s.sources[c] = 0;
    for (int64_t k = 0; k < a.K; ++k) {
      const Element* row = mask + k * a.mask_k;
      bool used = false;
      for (int64_t c = 0; c < a.S; ++c) {
        if (row[c] != 0) {  // also true of NaN
          used = true;
          s.sources[c] = 1;
        }
      }
      if (used) s.destinations[used_destinations++] = static_cast<int32_t>(k);
    }
    used_sources = 0;
    for (int64_t c = 0; c < a.S; ++c) {
      if (s.sources[c] != 0) s.sources[used_sources++] = static_cast<int32_t>(c);
    }
    const Blocks blocks(used_destinations);
    Element* w = s.weights;
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int32_t* k = s.destinations + blocks.begin(block);
      for (int64_t c = 0; c < used_sources; ++c) {
        for (int64_t i = 0; i < blocks.size(block); ++i) {
          *w++ = mask[k[i] * a.mask_k + s.sources[c]];
        }
      }
    }
  }

  const Element* delta_row(int64_t row) const {
    return a.delta + row / a.T * a.delta_b + row % a.T * a.delta_t;
  }

  // x[i] = resid + sum over the used sources, for every used destination.
  void patch(int64_t row, bool last_row) {
    constexpr int64_t C = kProductColumns<Element>;
    const int64_t width = smaller(s.padded, kForwardPanels * C);
    const Blocks blocks(used_destinations);
    const Element* delta = delta_row(row);
    for (int64_t d0 = 0; d0 < s.padded; d0 += width) {
      const int64_t channels = smaller(width, s.padded - d0);
      for (int64_t c0 = 0; c0 < used_sources; c0 += kForwardSources) {
        const int64_t n = smaller(kForwardSources, used_sources - c0);
        for (int64_t c = 0; c < n; ++c) {
          const Element* source = delta + s.sources[c0 + c] * a.delta_s + d0;
          for (int64_t d = 0; d < channels; d += C) {
            copy_padded(source + d, smaller(C, a.D - d0 - d), s.panels + d * n + c * C, C);
          }
        }
        // what the next round will copy: more sources, or more channels, or the next row
        int64_t next_c0 = c0 + n;
        int64_t next_d0 = d0;
        const Element* next = delta;
        if (next_c0 == used_sources) {
          next_c0 = 0;
          next_d0 = d0 + width;
          if (next_d0 >= s.padded) {
            next_d0 = 0;
            next = last_row ? nullptr : delta_row(row + 1);
          }
        }
        if (used_sources - next_c0 < n) next = nullptr;
        for (int64_t d = 0; d < channels; d += C) {
          for (int64_t block = 0; block < blocks.count; ++block) {
            const int64_t first = blocks.begin(block);
            const int64_t size = blocks.size(block);
            const Element* from[kProductRows];
            Element* to[kProductRows];
            for (int64_t i = 0; i < size; ++i) {
              to[i] = s.x + (first + i) * s.stride + d0 + d;
              from[i] = c0 == 0 ? s.resid + d0 + d : to[i];
            }
            const bool fetch = block == 0 && next != nullptr && next_d0 + d < a.D;
            const Upcoming<Element> upcoming = {fetch ? next + next_d0 + d : nullptr,
                                                s.sources + next_c0, a.delta_s};
            product<Element>(size, n, s.weights + first * used_sources + c0 * size,
                             s.panels + d * n, C, from, to, upcoming);
          }
        }
      }
    }
  }

  void run(int64_t begin, int64_t end) {
    const int64_t rows = a.B * a.T;
    const Element* packed = nullptr;
    for (int64_t row = begin; row < end; ++row) {
      const int64_t b = row / a.T;
      const int64_t t = row % a.T;
      copy_padded(a.resid + b * a.resid_b + t * a.resid_t, a.D, s.resid, s.padded);
      // -0 + 0 is 0: a sum that skips zero terms then equals one that adds them.
      for (int64_t d = 0; d < a.D; ++d) s.resid[d] += 0;
      if (a.S > 0) {
        const Element* mask = a.mask + b * a.mask_b + t * a.mask_t;
        if (mask != packed) pack_mask(mask);
        packed = mask;
        if (used_sources > 0) patch(row, row + 1 == end);
      }
      Element unpatched_rstd = 1;
      if (used_destinations < a.K) {
        unpatched_rstd = normalize(a.normalization, a.epsilon, a.D, s.resid, s.unpatched);
      }
      int64_t next = 0;
      for (int64_t k = 0; k < a.K; ++k) {
        Element* out = a.out + (k * rows + row) * a.D;
        Element rstd = unpatched_rstd;
        if (next < used_destinations && s.destinations[next] == k) {
          rstd = normalize(a.normalization, a.epsilon, a.D, s.x + next * s.stride, out);
          ++next;
        } else {
          copy_padded(s.unpatched, a.D, out, a.D);
        }
        if (a.rstd != nullptr) a.rstd[k * rows + row] = rstd;
      }
    }
  }
};

template <class Element>
void forward(const ForwardArguments<Element>& a, int threads, char* scratch) {
  const int64_t rows = a.B * a.T;
  const int64_t bytes = forward_bytes(a);
#pragma omp parallel num_threads(threads)
  {
    const int64_t team = omp_get_num_threads();
    const int64_t thread = omp_get_thread_num();
    Scratch mine = {scratch + thread * bytes, 0};
    ForwardRows<Element> part{a, ForwardScratch<Element>(a, mine)};
    part.run(rows * thread / team, rows * (thread + 1) / team);
  }
}
