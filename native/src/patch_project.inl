// patch_project for one instruction set; see native/include/patch_project.h for what it computes.
//
// One thread takes a tile of rows (b,t): their inputs for all destinations, normalised, stay in the
// cache while the weights stream past them, once for the tile. The weights are copied beforehand into
// panels of one register block's width, which all threads use.

constexpr int64_t kTileRows = 2 * kProductRows;

template <class Element>
struct ProjectLayout {
  int64_t panels;      // of one part
  int64_t panel_size;  // elements

  explicit ProjectLayout(int64_t W, int64_t D)
      : panels(divide_up(W, kProductColumns<Element>)), panel_size(D * kProductColumns<Element>) {}
};

template <class Element>
struct ProjectScratch {
  Element* resid;      // [padded]
  Element* x;          // [tile][rows][stride]
  Element* unpatched;  // [padded], norm(resid)
  Element* zeros;      // [padded]
  Element* result;     // [kProductRows][kProductColumns]

  ProjectScratch(const PatchProjectCall<Element>& a, const PatchScratch<Element>& p,
                 Scratch& scratch) {
    const int64_t rows = a.patch.K + (a.carry == nullptr ? 0 : 1);
    resid = scratch.take<Element>(p.padded);
    x = scratch.take<Element>(kTileRows * rows * p.stride);
    unpatched = scratch.take<Element>(p.padded);
    zeros = scratch.take<Element>(p.padded);
    result = scratch.take<Element>(kProductRows * kProductColumns<Element>);
  }
};

// Bytes that all threads share: the weights in panels, and the bias, padded.
template <class Element>
int64_t project_shared_bytes(const PatchProjectCall<Element>& a) {
  const ProjectLayout<Element> layout(a.W, a.patch.D);
  Scratch counter = {nullptr, 0};
  counter.take<Element>(a.P * layout.panels * layout.panel_size);
  counter.take<Element>(a.P * layout.panels * kProductColumns<Element>);
  return counter.used;
}

template <class Element>
int64_t project_bytes(const PatchProjectCall<Element>& a) {
  Scratch counter = {nullptr, 0};
  PatchScratch<Element> patch(a.patch, a.patch.K + (a.carry == nullptr ? 0 : 1), counter);
  ProjectScratch<Element> pieces(a, patch, counter);
  return counter.used;
}

template <class Element>
AUTOCIRCUIT_INLINE void scale_and_shift(const Element* weight, const Element* bias, int64_t n,
                                        Element* x) {
  if (weight != nullptr) {
    for (int64_t d = 0; d < n; ++d) x[d] *= weight[d];
  }
  if (bias != nullptr) {
    for (int64_t d = 0; d < n; ++d) x[d] += bias[d];
  }
}

template <class Element>
void project_tile(const PatchProjectCall<Element>& a, PatchedRows<Element>& patched,
                  const ProjectScratch<Element>& s, const Element* weights, const Element* bias,
                  int64_t begin, int64_t end, bool last) {
  constexpr int64_t C = kProductColumns<Element>;
  const PatchForwardCall<Element>& f = a.patch;
  const int64_t rows = patched.rows;
  const int64_t row_stride = rows * patched.s.stride;
  for (int64_t row = begin; row < end; ++row) {
    Element* x = s.x + (row - begin) * row_stride;
    copy_resid(f, row, patched.s.padded, s.resid);
    const auto from = [&](int64_t k) { return k < f.K ? s.resid : s.zeros; };
    if (f.S > 0) patched.patch(row, last && row + 1 == end, from, x);
    bool unpatched = false;
    for (int64_t k = 0; k < f.K; ++k) {
      Element* xk = x + k * patched.s.stride;
      if (patched.s.used[k]) {
        normalize(f.normalization, f.epsilon, f.D, xk, xk);
        scale_and_shift(a.affine_weight, a.affine_bias, f.D, xk);
      } else {
        if (!unpatched) {
          normalize(f.normalization, f.epsilon, f.D, s.resid, s.unpatched);
          scale_and_shift(a.affine_weight, a.affine_bias, f.D, s.unpatched);
          unpatched = true;
        }
        copy_padded(s.unpatched, f.D, xk, f.D);
      }
    }
    if (a.carry != nullptr) {
      const bool used = patched.s.used[f.K];
      copy_padded(used ? x + f.K * patched.s.stride : s.zeros, f.D, a.carry + row * f.D, f.D);
    }
  }
  const ProjectLayout<Element> layout(a.W, f.D);
  const Int* inputs = lists_of(a);
  const Int* columns = inputs + a.P;
  for (int64_t p = 0; p < a.P; ++p) {
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
      const int64_t at = p * layout.panels + panel;
      const int64_t width = smaller(C, a.W - panel * C);
      const int64_t column = columns[p] * a.W + panel * C;
      const Blocks blocks(end - begin);
      for (int64_t block = 0; block < blocks.count; ++block) {
        const int64_t first = blocks.begin(block);
        const Element* x = s.x + first * row_stride + inputs[p] * patched.s.stride;
        project_rows<Element>(blocks.size(block), f.D, x, row_stride,
                              weights + at * layout.panel_size, bias + at * C, s.result, C);
        for (int64_t i = 0; i < blocks.size(block); ++i) {
          const int64_t row = begin + first + i;
          Element* to = a.out + row / f.T * a.out_b + row % f.T * a.out_t + column;
          copy_padded(s.result + i * C, width, to, width);
        }
      }
    }
  }
}

template <class Element>
void project(const PatchProjectCall<Element>& a, int threads, char* shared, char* scratch) {
  constexpr int64_t C = kProductColumns<Element>;
  const PatchForwardCall<Element>& f = a.patch;
  const ProjectLayout<Element> layout(a.W, f.D);
  const int64_t rows = f.B * f.T;
  const int64_t bytes = project_bytes(a);
  const Int* columns = lists_of(a) + a.P;
  Scratch common = {shared, 0};
  Element* weights = common.take<Element>(a.P * layout.panels * layout.panel_size);
  Element* bias = common.take<Element>(a.P * layout.panels * C);
  share_parts(threads, a.P, [&](int64_t p) {
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
      const int64_t at = p * layout.panels + panel;
      const int64_t column = columns[p] * a.W + panel * C;
      const int64_t stop = (columns[p] + 1) * a.W;
      with_weights<Element>(a.weight, a.weight_type, [&](const auto* weight) {
        pack_panel(weight, a.weight_d, f.D, column, stop, weights + at * layout.panel_size);
      });
      pack_panel(a.bias, 0, 1, column, stop, bias + at * C);
    }
  });
  const int64_t tiles = divide_up(rows, kTileRows);
  const int64_t count = smaller(tiles, threads * kPartsPerThread);
  share(threads, count, [&](int member, Parts& parts) {
    Scratch mine = {scratch + member * bytes, 0};
    PatchedRows<Element> patched(f, f.K + (a.carry == nullptr ? 0 : 1), mine);
    const ProjectScratch<Element> pieces(a, patched.s, mine);
    for (int64_t d = 0; d < patched.s.padded; ++d) pieces.zeros[d] = 0;
    for (int64_t part; parts.take(&part);) {
      const int64_t end = smaller(rows, tiles * (part + 1) / count * kTileRows);
      for (int64_t row = tiles * part / count * kTileRows; row < end; row += kTileRows) {
        const int64_t stop = smaller(end, row + kTileRows);
        // the row after a part's last is not this thread's next: nothing is prepared for it
        project_tile(a, patched, pieces, weights, bias, row, stop, stop == end);
      }
    }
  });
}
