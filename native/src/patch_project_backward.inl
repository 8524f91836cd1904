// patch_project_backward for one instruction set; see native/include/patch_project_backward.h for what
// it computes.
//
// As patch_backward, but a thread makes the gradients of the inputs itself: for a tile of rows (b,t)
// that stays in the cache, the weights stream past once. They are transposed beforehand into panels of
// one register block's width, which all threads use; the scale of the inputs is multiplied in.

template <class Element>
struct ProjectBackwardScratch {
  Element* result;  // [kProductRows][kProductColumns], of a further part of an input
  Element* zeros;   // [kProductColumns]

  explicit ProjectBackwardScratch(Scratch& scratch) {
    result = scratch.take<Element>(kProductRows * kProductColumns<Element>);
    zeros = scratch.take<Element>(kProductColumns<Element>);
    for (int64_t i = 0; result != nullptr && i < kProductColumns<Element>; ++i) zeros[i] = 0;
  }
};

inline int64_t project_backward_tile(const Chunks& chunks) {
  return smaller(kBackwardTileRows, smaller(chunks.rows, chunks.group_rows));
}

// Bytes that all threads share: the weights in panels.
template <class Element>
int64_t project_backward_shared_bytes(const PatchProjectBackwardCall<Element>& a) {
  const int64_t padded = round_up(a.back.D, kProductColumns<Element>);
  Scratch counter = {nullptr, 0};
  counter.take<Element>(a.P * a.W * padded);
  return counter.used;
}

template <class Element>
int64_t project_backward_bytes(const PatchProjectBackwardCall<Element>& a, const Chunks& chunks) {
  Scratch counter = {nullptr, 0};
  BackwardScratch<Element> back(a.back, a.carry != nullptr, project_backward_tile(chunks), counter);
  ProjectBackwardScratch<Element> pieces(counter);
  return counter.used;
}

// panel[w][0:C] = weight[d:d+C][w] * scale[d:d+C] for w < W; channels from D on are zero.
template <class Element, class Stored>
void pack_transposed(const PatchProjectBackwardCall<Element>& a, const Stored* weight, int64_t part,
                     int64_t d, Element* panel) {
  constexpr int64_t C = kProductColumns<Element>;
  constexpr int64_t block = kCacheLine / static_cast<int64_t>(sizeof(Element));
  const int64_t columns = smaller(C, a.back.D - d);
  for (int64_t first = 0; first < a.W; first += block) {
    const int64_t end = smaller(a.W, first + block);
    for (int64_t c = 0; c < C; ++c) {
      const Stored* row = weight + (d + c) * a.weight_d + part * a.W;
      const Element scale = c >= columns ? 0 : a.scale == nullptr ? 1 : a.scale[d + c];
      for (int64_t w = first; w < end; ++w) {
        panel[w * C + c] = c < columns ? widened<Element>(row[w]) * scale : 0;
      }
    }
  }
}

// The gradients of `count` rows from `first` on, `step` apart, to the tile.
template <class Element>
void project_backward_rows(const PatchProjectBackwardCall<Element>& a,
                           const BackwardScratch<Element>& s,
                           const ProjectBackwardScratch<Element>& mine, const Element* weights,
                           int64_t first, int64_t step, int64_t count) {
  constexpr int64_t C = kProductColumns<Element>;
  const int64_t width = a.P * a.W;
  const Blocks blocks(count);
  const Int* inputs = lists_of(a);
  for (int64_t part = 0; part < a.P; ++part) {
    bool add = false;
    for (int64_t before = 0; before < part; ++before) {
      add = add || inputs[before] == inputs[part];
    }
    for (int64_t d = 0; d < s.padded; d += C) {
      const Element* panel = weights + (part * s.padded + d) * a.W;
      for (int64_t block = 0; block < blocks.count; ++block) {
        const int64_t begin = blocks.begin(block);
        const Element* x = a.grad_out + (first + begin * step) * width + part * a.W;
        Element* to = s.g + begin * s.row_size + inputs[part] * s.stride + d;
        if (!add) {
          project_rows<Element>(blocks.size(block), a.W, x, step * width, panel, mine.zeros, to,
                                s.row_size);
          continue;
        }
        project_rows<Element>(blocks.size(block), a.W, x, step * width, panel, mine.zeros,
                              mine.result, C);
        for (int64_t i = 0; i < blocks.size(block); ++i) {
          for (int64_t c = 0; c < C; c += kLanes<Element>) {
            Element* sum = to + i * s.row_size + c;
            store(sum, load(sum) + load(mine.result + i * C + c));
          }
        }
      }
    }
  }
}

template <class Element>
void project_backward(const PatchProjectBackwardCall<Element>& a, const Chunks& chunks, int threads,
                      char* shared, char* scratch, double* partials) {
  constexpr int64_t C = kProductColumns<Element>;
  const PatchBackwardCall<Element>& back = a.back;
  const int64_t bytes = project_backward_bytes(a, chunks);
  const int64_t tile = project_backward_tile(chunks);
  Element* weights = reinterpret_cast<Element*>(shared);
  const int64_t padded = round_up(back.D, C);
  share_parts(threads, a.P, [&](int64_t part) {
    for (int64_t d = 0; d < padded; d += C) {
      with_weights<Element>(a.weight, a.weight_type, [&](const auto* weight) {
        pack_transposed(a, weight, part, d, weights + (part * padded + d) * a.W);
      });
    }
  });
  share(threads, chunks.groups * chunks.per_group, [&](int member, Parts& parts) {
    Scratch pieces = {scratch + member * bytes, 0};
    BackwardRows<Element> rows{back,
                               BackwardScratch<Element>(back, a.carry != nullptr, tile, pieces)};
    const ProjectBackwardScratch<Element> mine(pieces);
    const auto produce = [&](int64_t first, int64_t step, int64_t count) {
      project_backward_rows(a, rows.s, mine, weights, first, step, count);
      for (int64_t k = 0; k < rows.s.gradients; ++k) {
        for (int64_t i = 0; i < count; ++i) {
          const int64_t row = first + i * step;
          Element* g = rows.s.g + i * rows.s.row_size + k * rows.s.stride;
          if (k < back.K) {
            rows.norm(k, row / back.T, row % back.T, g, g);
          } else {
            copy_padded(a.carry + row / back.T * a.carry_b + row % back.T * a.carry_t, back.D, g,
                        padded);
          }
        }
      }
    };
    backward_chunks(rows, chunks, partials, parts, produce);
  });
  add_chunks(back, back.K + (a.carry == nullptr ? 0 : 1), chunks, threads, partials);
}
