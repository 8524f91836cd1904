// patch_forward for one instruction set; see native/include/patch_forward.h for what it computes.
//
// One thread takes a run of rows (b,t). Per row, the channels are cut into chunks; the chunk of every
// source is copied into panels of one register block's width (the sources lie a whole tensor apart,
// often on the same cache sets), which stay in the second-level cache while all destinations use
// them. The next chunk is fetched meanwhile. The sums of a row stay in scratch memory until they are
// normalised and written, once.

constexpr int64_t kForwardPanels = 8;  // panels of a chunk

// A destination of which less than this share of the used sources is not zero gathers them one by
// one; the others are computed in blocks that take all sources.
constexpr double kGatheredShare = 0.6;

constexpr int64_t kUpcomingLines = 128;

constexpr int kGatheredPanels = 4;  // panels that one gathering pass fills

// The patched input of rows (b,t), before normalisation. `rows` destinations: a.K, and one more if
// the call has a carry.
template <class Element>
struct PatchScratch {
  int64_t padded;   // D, up to a whole number of panels
  int64_t stride;   // between destinations of x
  int64_t at_once;  // sources of a round: they and the next ones take half the second-level cache
  Element* panels[2];  // [panels][sources][kProductColumns], of this round and of the next
  Element* weights;    // packed mask: blocks of destinations, each [sources][destinations]
  Element* values;     // gathered destinations: their weights ...
  int32_t* entries;    // ... and the places in `sources` they are for, ascending
  int32_t* begins;     // [rows + 1], where a gathered destination's entries begin
  int32_t* blocked;    // destinations computed in blocks, ascending
  int32_t* gathered;   // destinations computed by gathering, ascending
  int32_t* sources;    // those that any destination uses, ascending
  const void** lines;  // [kUpcomingLines]
  char* used;          // [rows], whether a destination's mask is not all zero

  PatchScratch(const PatchForwardCall<Element>& a, int64_t rows, Scratch& scratch)
      : padded(round_up(a.D, kProductColumns<Element>)), stride(staggered<Element>(padded)) {
    const int64_t width = smaller(padded, kForwardPanels * kProductColumns<Element>);
    const int64_t source = larger(1, width) * static_cast<int64_t>(sizeof(Element));
    at_once = larger(8, second_level_bytes() / 4 / source);
    for (Element*& side : panels) side = scratch.take<Element>(smaller(a.S, at_once) * width);
    weights = scratch.take<Element>(rows * a.S);
    values = scratch.take<Element>(rows * a.S);
    entries = scratch.take<int32_t>(rows * a.S);
    begins = scratch.take<int32_t>(rows + 1);
    blocked = scratch.take<int32_t>(rows);
    gathered = scratch.take<int32_t>(rows);
    sources = scratch.take<int32_t>(a.S);
    lines = scratch.take<const void*>(kUpcomingLines);
    used = scratch.take<char>(rows);
  }
};

template <class Element>
struct PatchedRows {
  const PatchForwardCall<Element>& a;
  int64_t rows;  // destinations, with the carry
  PatchScratch<Element> s;
  int64_t blocked_count = 0;
  int64_t gathered_count = 0;
  int64_t used_sources = 0;
  const Element* packed = nullptr;
  int side = 0;         // of the panels
  bool filled = false;  // whether they hold the next round's

  PatchedRows(const PatchForwardCall<Element>& arguments, int64_t destinations, Scratch& scratch)
      : a(arguments), rows(destinations), s(arguments, destinations, scratch) {
    for (int64_t k = 0; k < rows; ++k) s.used[k] = 0;
  }

  // Finds what the mask uses and packs it.
  void pack_mask(const Element* mask) {
    blocked_count = 0;
    gathered_count = 0;
    for (int64_t c = 0; c < a.S; ++c) s.sources[c] = 0;
    for (int64_t k = 0; k < rows; ++k) {
      const Element* row = mask + k * a.mask_k;
      int32_t count = 0;
      for (int64_t c = 0; c < a.S; ++c) {
        if (row[c] != 0) {  // also true of NaN
          ++count;
          s.sources[c] = 1;
        }
      }
      s.used[k] = count > 0;
      s.begins[k] = count;
    }
    used_sources = 0;
    for (int64_t c = 0; c < a.S; ++c) {
      if (s.sources[c] != 0) s.sources[used_sources++] = static_cast<int32_t>(c);
    }
    int32_t entry = 0;
    for (int64_t k = 0; k < rows; ++k) {
      const int32_t count = s.begins[k];
      s.begins[k] = entry;
      if (count == 0) continue;
      if (count >= kGatheredShare * static_cast<double>(used_sources)) {
        s.blocked[blocked_count++] = static_cast<int32_t>(k);
        continue;
      }
      s.gathered[gathered_count++] = static_cast<int32_t>(k);
      const Element* row = mask + k * a.mask_k;
      for (int64_t c = 0; c < used_sources; ++c) {
        const Element w = row[s.sources[c]];
        if (w != 0) {
          s.entries[entry] = static_cast<int32_t>(c);
          s.values[entry++] = w;
        }
      }
    }
    s.begins[rows] = entry;
    const Blocks blocks(blocked_count);
    Element* w = s.weights;
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int32_t* k = s.blocked + blocks.begin(block);
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

  // to[0:P*C] = from[0:P*C] + entries `begin` to `end` of the chunk, whose first place is c0.
  template <int P>
  void gather(int32_t begin, int32_t end, int64_t c0, const Element* panels, int64_t panel_size,
              const Element* from, Element* to) const {
    constexpr int64_t L = kLanes<Element>;
    constexpr int64_t C = kProductColumns<Element>;
    Vector<Element> sum[P][2];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      sum[p][0] = load(from + p * C);
      sum[p][1] = load(from + p * C + L);
    }
    for (int32_t e = begin; e < end; ++e) {
      const Vector<Element> w = broadcast(s.values[e]);
      const Element* at = panels + (s.entries[e] - c0) * C;
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) {
        sum[p][0] = fma(w, load(at + p * panel_size), sum[p][0]);
        sum[p][1] = fma(w, load(at + p * panel_size + L), sum[p][1]);
      }
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      store(to + p * C, sum[p][0]);
      store(to + p * C + L, sum[p][1]);
    }
  }

  // One round of `patch`: channels [d0, d0 + channels) of the used sources [c0, c0 + n) of a row.
  struct Round {
    int64_t row;
    int64_t d0, channels;
    int64_t c0, n;  // n is 0: there is no such round
  };

  Round round_of(int64_t row, int64_t d0, int64_t c0) const {
    const int64_t width = smaller(s.padded, kForwardPanels * kProductColumns<Element>);
    return {row, d0, smaller(width, s.padded - d0), c0, smaller(s.at_once, used_sources - c0)};
  }

  // More sources, or more channels, or the next row, if it has the same mask.
  Round next_of(const Round& r, bool last_row) const {
    if (r.c0 + r.n < used_sources) return round_of(r.row, r.d0, r.c0 + r.n);
    if (r.d0 + r.channels < s.padded) return round_of(r.row, r.d0 + r.channels, 0);
    if (last_row || mask_row(r.row + 1) != packed) return {r.row + 1, 0, 0, 0, 0};
    return round_of(r.row + 1, 0, 0);
  }

  const Element* mask_row(int64_t row) const {
    return a.mask + row / a.T * a.mask_b + row % a.T * a.mask_t;
  }

  // Copies some sources of a round into panels.
  void fill(const Round& r, int64_t begin, int64_t end, Element* panels) const {
    constexpr int64_t C = kProductColumns<Element>;
    const Element* delta = delta_row(r.row);
    for (int64_t c = begin; c < end; ++c) {
      const Element* source = delta + s.sources[r.c0 + c] * a.delta_s + r.d0;
      Element* to = panels + c * C;
      if (r.d0 + r.channels <= a.D) {
        for (int64_t d = 0; d < r.channels; d += C) {
          store(to + d * r.n, load(source + d));
          store(to + d * r.n + kLanes<Element>, load(source + d + kLanes<Element>));
        }
      } else {
        for (int64_t d = 0; d < r.channels; d += C) {
          copy_padded(source + d, smaller(C, a.D - r.d0 - d), to + d * r.n, C);
        }
      }
    }
  }

  // The cache lines of some sources of a round.
  Upcoming fetch(const Round& r, int64_t begin, int64_t end) const {
    constexpr int64_t line = kCacheLine / static_cast<int64_t>(sizeof(Element));
    const int64_t lines = divide_up(r.channels, line);
    const Element* delta = delta_row(r.row);
    int64_t count = 0;
    for (int64_t c = begin; c < end && count + lines <= kUpcomingLines; ++c) {
      const Element* source = delta + s.sources[r.c0 + c] * a.delta_s + r.d0;
      for (int64_t d = 0; d < r.channels; d += line) s.lines[count++] = source + d;
    }
    return {s.lines, count};
  }

  // x[k] = from[k] + sum over the used sources, for every used destination k. from(k) has `padded`
  // elements, as have the rows of x, which lie s.stride apart.
  template <class From>
  void patch(int64_t row, bool last_row, const From& from, Element* x) {
    constexpr int64_t C = kProductColumns<Element>;
    const Element* mask = mask_row(row);
    if (mask != packed) {
      pack_mask(mask);
      filled = false;
    }
    packed = mask;
    if (used_sources == 0) return;
    const Blocks blocks(blocked_count);
    for (Round r = round_of(row, 0, 0); r.n > 0 && r.row == row;) {
      if (!filled) fill(r, 0, r.n, s.panels[side]);
      const Element* panels = s.panels[side];
      Element* others = s.panels[1 - side];
      const Round next = next_of(r, last_row);
      // the next round's panels are filled a few sources at a time, between the products of this one
      const int64_t calls = r.channels / C * blocks.count;
      int64_t copied = 0;
      const int64_t each = calls == 0 || next.n == 0 ? 0 : divide_up(next.n, larger(1, calls - 1));
      Upcoming upcoming = each > 0 ? fetch(next, 0, smaller(each, next.n)) : kNothing;
      for (int64_t d = 0; d < r.channels; d += C) {
        for (int64_t block = 0; block < blocks.count; ++block) {
          const int64_t first = blocks.begin(block);
          const int64_t size = blocks.size(block);
          const Element* start[kProductRows];
          Element* to[kProductRows];
          for (int64_t i = 0; i < size; ++i) {
            const int64_t k = s.blocked[first + i];
            to[i] = x + k * s.stride + r.d0 + d;
            start[i] = r.c0 == 0 ? from(k) + r.d0 + d : to[i];
          }
          if (d + block > 0 && copied < next.n && each > 0) {
            const int64_t stop = smaller(copied + each, next.n);
            fill(next, copied, stop, others);
            copied = stop;
            upcoming = fetch(next, copied, smaller(copied + each, next.n));
          }
          product<Element>(size, r.n, s.weights + first * used_sources + r.c0 * size,
                           panels + d * r.n, C, start, to, upcoming);
        }
      }
      for (int64_t i = 0; i < gathered_count; ++i) {
        const int64_t k = s.gathered[i];
        int32_t begin = s.begins[k];
        const int32_t stop = s.begins[k + 1];
        while (begin < stop && s.entries[begin] < r.c0) ++begin;
        int32_t end = begin;
        while (end < stop && s.entries[end] < r.c0 + r.n) ++end;
        Element* to = x + k * s.stride + r.d0;
        const Element* start = r.c0 == 0 ? from(k) + r.d0 : to;
        int64_t d = 0;
        for (; d + kGatheredPanels * C <= r.channels; d += kGatheredPanels * C) {
          gather<kGatheredPanels>(begin, end, r.c0, panels + d * r.n, C * r.n, start + d, to + d);
        }
        for (; d < r.channels; d += C) {
          gather<1>(begin, end, r.c0, panels + d * r.n, C * r.n, start + d, to + d);
        }
      }
      for (; each > 0 && copied < next.n; ++copied) fill(next, copied, copied + 1, others);
      filled = each > 0;
      if (filled) side = 1 - side;
      r = next;
    }
  }
};

// resid of a row, padded; -0 + 0 is 0: a sum that skips zero terms then equals one that adds them.
template <class Element>
AUTOCIRCUIT_INLINE void copy_resid(const PatchForwardCall<Element>& a, int64_t row, int64_t padded,
                                   Element* to) {
  copy_padded(a.resid + row / a.T * a.resid_b + row % a.T * a.resid_t, a.D, to, padded);
  for (int64_t d = 0; d < a.D; ++d) to[d] += 0;
}

template <class Element>
struct ForwardScratch {
  Element* resid;      // [padded]
  Element* x;          // [K, stride]
  Element* unpatched;  // [D], norm(resid)

  ForwardScratch(const PatchForwardCall<Element>& a, const PatchScratch<Element>& p,
                 Scratch& scratch) {
    resid = scratch.take<Element>(p.padded);
    x = scratch.take<Element>(a.K * p.stride);
    unpatched = scratch.take<Element>(a.D);
  }
};

template <class Element>
int64_t forward_bytes(const PatchForwardCall<Element>& a) {
  Scratch counter = {nullptr, 0};
  PatchScratch<Element> patch(a, a.K, counter);
  ForwardScratch<Element> pieces(a, patch, counter);
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
  const double length = static_cast<double>(larger(n, 1));  // the mean of nothing is 0
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
    mean = static_cast<Element>(total / length);
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
  const Element rstd = static_cast<Element>(1 / __builtin_sqrt(total / length + epsilon));
  const Vector<Element> rstds = broadcast(rstd);
  for (d = 0; d < whole; d += L) store(to + d, (load(x + d) - means) * rstds);
  for (; d < n; ++d) to[d] = (x[d] - mean) * rstd;
  return rstd;
}

template <class Element>
void forward_rows(const PatchForwardCall<Element>& a, PatchedRows<Element>& patched,
                  const ForwardScratch<Element>& s, int64_t begin, int64_t end) {
  const int64_t rows = a.B * a.T;
  for (int64_t row = begin; row < end; ++row) {
    copy_resid(a, row, patched.s.padded, s.resid);
    const auto from = [&](int64_t) { return s.resid; };
    if (a.S > 0) patched.patch(row, row + 1 == end, from, s.x);
    bool unpatched = false;
    Element unpatched_rstd = 1;
    for (int64_t k = 0; k < a.K; ++k) {
      Element* out = a.out + (k * rows + row) * a.D;
      Element rstd;
      if (patched.s.used[k]) {
        rstd = normalize(a.normalization, a.epsilon, a.D, s.x + k * patched.s.stride, out);
      } else {
        if (!unpatched) {
          unpatched_rstd = normalize(a.normalization, a.epsilon, a.D, s.resid, s.unpatched);
          unpatched = true;
        }
        rstd = unpatched_rstd;
        copy_padded(s.unpatched, a.D, out, a.D);
      }
      if (a.rstd != nullptr) a.rstd[k * rows + row] = rstd;
    }
  }
}

template <class Element>
void forward(const PatchForwardCall<Element>& a, int threads, char* scratch) {
  const int64_t rows = a.B * a.T;
  const int64_t bytes = forward_bytes(a);
  const int64_t count = smaller(rows, threads * kPartsPerThread);
  share(threads, count, [&](int member, Parts& parts) {
    Scratch mine = {scratch + member * bytes, 0};
    PatchedRows<Element> patched(a, a.K, mine);
    const ForwardScratch<Element> pieces(a, patched.s, mine);
    for (int64_t part; parts.take(&part);) {
      forward_rows(a, patched, pieces, rows * part / count, rows * (part + 1) / count);
    }
  });
}
