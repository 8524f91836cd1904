// head_outputs for one instruction set; see native/include/head_outputs.h for what it computes.
//
// One thread takes a tile of rows (b,t), small enough for their stream to stay in the cache while all
// heads add to it. The weights are copied beforehand into panels that all threads use.

constexpr int64_t kHeadTileRows = 4 * kProductRows;

// Bytes that all threads share: the weights in panels.
template <class Element>
int64_t heads_shared_bytes(const HeadOutputsCall<Element>& a) {
  return a.N * divide_up(a.D, kProductColumns<Element>) * a.W * kProductColumns<Element> *
         static_cast<int64_t>(sizeof(Element));
}

template <class Element>
int64_t heads_bytes(const HeadOutputsCall<Element>&) {
  Scratch counter = {nullptr, 0};
  counter.take<Element>(kProductRows * kProductColumns<Element>);
  counter.take<Element>(kProductColumns<Element>);
  return counter.used;
}

template <class Element>
void heads(const HeadOutputsCall<Element>& a, int threads, char* shared, char* scratch) {
  constexpr int64_t C = kProductColumns<Element>;
  const int64_t panels = divide_up(a.D, C);
  const int64_t panel_size = a.W * C;
  const int64_t rows = a.B * a.T;
  const int64_t bytes = heads_bytes(a);
  Element* weights = reinterpret_cast<Element*>(shared);
  const Int* numbers = lists_of(a);
  share_parts(threads, a.N, [&](int64_t i) {
    for (int64_t panel = 0; panel < panels; ++panel) {
      with_weights<Element>(a.weight, a.weight_type, [&](const auto* weight) {
        pack_panel(weight + numbers[i] * a.W * a.D, a.D, a.W, panel * C, a.D,
                   weights + (i * panels + panel) * panel_size);
      });
    }
  });
  share(threads, divide_up(rows, kHeadTileRows), [&](int member, Parts& parts) {
    Scratch mine = {scratch + member * bytes, 0};
    Element* result = mine.take<Element>(kProductRows * C);
    Element* zeros = mine.take<Element>(C);
    for (int64_t d = 0; d < C; ++d) zeros[d] = 0;
    for (int64_t tile; parts.take(&tile);) {
      const int64_t begin = tile * kHeadTileRows;
      const Blocks blocks(smaller(kHeadTileRows, rows - begin));
      for (int64_t i = 0; i < a.N; ++i) {
        for (int64_t block = 0; block < blocks.count; ++block) {
          const int64_t first = begin + blocks.begin(block);
          const int64_t size = blocks.size(block);
          // rows of a block lie evenly apart only within a prompt, or where prompts follow evenly
          const bool even = a.z_b == a.T * a.z_t;
          for (int64_t panel = 0; panel < panels; ++panel) {
            const Element* w = weights + (i * panels + panel) * panel_size;
            const int64_t d0 = panel * C;
            const int64_t width = smaller(C, a.D - d0);
            for (int64_t r = 0; r < size;) {
              const int64_t row = first + r;
              const int64_t run = even ? size : smaller(size - r, a.T - row % a.T);
              const Element* z = a.z + row / a.T * a.z_b + row % a.T * a.z_t + i * a.W;
              project_rows<Element>(run, a.W, z, a.z_t, w, zeros, result + r * C, C);
              r += run;
            }
            for (int64_t r = 0; r < size; ++r) {
              const int64_t row = first + r;
              const int64_t b = row / a.T;
              const int64_t t = row % a.T;
              const Element* c = result + r * C;
              const Element* p = a.ablation == nullptr
                                     ? nullptr
                                     : a.ablation + numbers[i] * a.ablation_h + b * a.ablation_b +
                                           t * a.ablation_t + d0;
              Element* to = a.delta + numbers[i] * a.delta_h + b * a.delta_b + t * a.delta_t + d0;
              Element* stream = a.stream == nullptr ? nullptr : a.stream + row * a.D + d0;
              if (p == nullptr) {
                copy_padded(c, width, to, width);
              } else {
                for (int64_t d = 0; d < width; ++d) to[d] = p[d] - c[d];
              }
              if (stream != nullptr) {
                for (int64_t d = 0; d < width; ++d) stream[d] += c[d];
              }
            }
          }
        }
      }
    }
  });
}
