// attention and attention_backward for one instruction set; see native/include/attention.h for what
// they compute.
//
// A thread takes the heads of one prompt after another. Queries are handled in blocks; for each, the
// scores, and the gradients of the scores, are products with keys and values in panels of one register
// block's width. Keys that no query of the block sees are left out.

constexpr int64_t kQueryRows = 4 * kProductRows;

// Bits of 2^n for an integer n, as the low bits of n + magic, and Taylor terms that reach full precision
// for |x| <= log(2) / 2.
template <class Element>
struct ExponentialOf;

template <>
struct ExponentialOf<float> {
  static constexpr float magic = 12582912.0F;  // 1.5 * 2^23
  static constexpr float least = -87.0F;
  static constexpr float ln2_high = 0.693359375F;
  static constexpr float ln2_low = -2.12194440e-4F;
  static constexpr int32_t bias = 127;
  static constexpr int mantissa = 23;
  static constexpr int terms = 8;
};

template <>
struct ExponentialOf<double> {
  static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double least = -708.0;
  static constexpr double ln2_high = 0.693147180369123816490;
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr int64_t bias = 1023;
  static constexpr int mantissa = 52;
  static constexpr int terms = 14;
};

// e^x for x <= 0, to about an ulp; 0 where that is below the normal numbers.
template <class Element>
AUTOCIRCUIT_INLINE Vector<Element> exponential(Vector<Element> x) {
  using E = ExponentialOf<Element>;
  using Indices = typename Simd<Element>::Indices;
  const Vector<Element> low = broadcast<Element>(E::least);
  const auto small = x < low;
  const Vector<Element> safe = small ? low : x;
  const Vector<Element> shifted =
      fma(safe, broadcast<Element>(static_cast<Element>(1.4426950408889634)), broadcast(E::magic));
  const Vector<Element> n = shifted - broadcast(E::magic);
  Vector<Element> r = fma(n, broadcast<Element>(-E::ln2_high), safe);
  r = fma(n, broadcast<Element>(-E::ln2_low), r);
  Vector<Element> sum = broadcast<Element>(1);
#pragma GCC unroll 16
  for (int i = E::terms; i >= 1; --i) {
    sum = fma(sum * r, broadcast(static_cast<Element>(1.0 / i)), broadcast<Element>(1));
  }
  Indices bits;
  Indices of_magic;
  const Vector<Element> magic = broadcast(E::magic);
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  __builtin_memcpy(&of_magic, &magic, sizeof of_magic);
  bits = (bits - of_magic + E::bias) << E::mantissa;
  Vector<Element> power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return small ? Vector<Element>{} : sum * power;
}

// Rows of W channels are `width` apart, rows of keys `keys` apart; both are whole panels.
template <class Element>
struct AttentionScratch {
  int64_t width, keys;
  Element* queries;        // [T][width], rotated
  Element* rotated;        // [T][width]: keys, rotated
  Element* key_columns;    // panels of T: [W][C]
  Element* value_columns;  // the same (gradient)
  Element* key_rows;       // panels of W: [T][C] (gradient)
  Element* value_rows;     // the same (forward)
  Element* pattern;        // [kQueryRows][keys]
  Element* slopes;         // [kQueryRows][keys] (gradient)
  Element* weights;        // [kQueryRows][kProductRows] (gradient)
  Element* grad_z;         // [T][width] (gradient)
  Element* grad_keys;      // [T][width] (gradient)
  Element* grad_values;    // [T][width] (gradient)
  Element* result;         // [kProductRows][C]
  Element* zeros;          // [C]

  AttentionScratch(const AttentionCall<Element>& a, Scratch& scratch) {
    constexpr int64_t C = kProductColumns<Element>;
    const bool gradient = a.grad_z != nullptr;
    width = round_up(a.W, C);
    keys = round_up(a.T, C);
    const int64_t rows = smaller(a.T, kQueryRows);
    queries = scratch.take<Element>(a.T * width);
    rotated = scratch.take<Element>(a.T * width);
    key_columns = scratch.take<Element>(keys * a.W);
    value_columns = scratch.take<Element>(gradient ? keys * a.W : 0);
    key_rows = scratch.take<Element>(gradient ? a.T * width : 0);
    value_rows = scratch.take<Element>(gradient ? 0 : a.T * width);
    pattern = scratch.take<Element>(rows * keys);
    slopes = scratch.take<Element>(gradient ? rows * keys : 0);
    weights = scratch.take<Element>(gradient ? rows * kProductRows : 0);
    grad_z = scratch.take<Element>(gradient ? a.T * width : 0);
    grad_keys = scratch.take<Element>(gradient ? a.T * width : 0);
    grad_values = scratch.take<Element>(gradient ? a.T * width : 0);
    result = scratch.take<Element>(kProductRows * C);
    zeros = scratch.take<Element>(C);
    for (int64_t i = 0; zeros != nullptr && i < C; ++i) zeros[i] = 0;
  }
};

template <class Element>
int64_t attention_bytes(const AttentionCall<Element>& a) {
  Scratch counter = {nullptr, 0};
  AttentionScratch<Element> pieces(a, counter);
  return counter.used;
}

template <class Element>
struct AttentionHead {
  static constexpr int64_t C = kProductColumns<Element>;
  const AttentionCall<Element>& a;
  const AttentionScratch<Element>& s;
  int64_t b, h;

  int64_t offset(int64_t t, int64_t part) const {
    return (((b * a.T + t) * 3 + part) * a.H + h) * a.W;
  }

  // to = x turned by the position's angles, or back; to is not x.
  void turn(const Element* x, int64_t t, bool back, Element* to) const {
    const Element* cosines = a.cosines + b * a.rotation_b + t * a.R;
    const Element* sines = a.sines + b * a.rotation_b + t * a.R;
    const int64_t half = a.R / 2;
    for (int64_t i = 0; i < half; ++i) {
      const int64_t e = a.adjacent ? 2 * i : i;
      const int64_t f = a.adjacent ? 2 * i + 1 : i + half;
      const Element se = back ? -sines[e] : sines[e];
      const Element sf = back ? -sines[f] : sines[f];
      to[e] = x[e] * cosines[e] - x[f] * se;
      to[f] = x[f] * cosines[f] + x[e] * sf;
    }
    for (int64_t e = a.R; e < a.W; ++e) to[e] = x[e];
  }

  // panels[c / C][w][c % C] = rows[c][w]; columns from T on are zero.
  void pack_columns(const Element* rows, int64_t stride, Element* panels) const {
    for (int64_t first = 0; first < s.keys; first += C) {
      for (int64_t c = 0; c < C; ++c) {
        const Element* row = rows + (first + c) * stride;
        for (int64_t w = 0; w < a.W; ++w) {
          panels[(first * a.W) + w * C + c] = first + c < a.T ? row[w] : 0;
        }
      }
    }
  }

  void pack_rows(const Element* rows, int64_t stride, Element* panels) const {
    for (int64_t w = 0; w < s.width; w += C) {
      pack_panel(rows, stride, a.T, w, a.W, panels + w * a.T);
    }
  }

  void prepare() {
    for (int64_t t = 0; t < a.T; ++t) {
      turn(a.qkv + offset(t, 0), t, false, s.queries + t * s.width);
      turn(a.qkv + offset(t, 1), t, false, s.rotated + t * s.width);
    }
    pack_columns(s.rotated, s.width, s.key_columns);
  }

  // out[i][0 : columns] = x[i][0:n] times panels [columns / C][rows_of_panel][C]
  void multiply(int64_t rows, int64_t n, const Element* x, int64_t stride, const Element* panels,
                int64_t rows_of_panel, int64_t columns, Element* out, int64_t out_stride) const {
    const Blocks blocks(rows);
    for (int64_t c = 0; c < columns; c += C) {
      for (int64_t block = 0; block < blocks.count; ++block) {
        const int64_t first = blocks.begin(block);
        project_rows<Element>(blocks.size(block), n, x + first * stride, stride,
                              panels + c * rows_of_panel, s.zeros, out + first * out_stride + c,
                              out_stride);
      }
    }
  }

  // The pattern of the queries from `first` on; returns how many keys any of them sees.
  int64_t softmax(int64_t first, int64_t rows) const {
    constexpr int64_t L = kLanes<Element>;
    const Element* mask = a.mask == nullptr ? nullptr : a.mask + b * a.mask_b + first * a.T;
    int64_t reach = mask == nullptr ? a.T : 1;
    for (int64_t i = 0; mask != nullptr && i < rows; ++i) {
      int64_t last = a.T;
      while (last > reach && mask[i * a.T + last - 1] == -__builtin_inf()) --last;
      reach = larger(reach, last);
    }
    const int64_t columns = round_up(reach, C);
    multiply(rows, a.W, s.queries + first * s.width, s.width, s.key_columns, a.W, columns,
             s.pattern, s.keys);
    const Element scale = static_cast<Element>(a.scale);
    const Element nothing = -static_cast<Element>(__builtin_inf());
    for (int64_t i = 0; i < rows; ++i) {
      Element* p = s.pattern + i * s.keys;
      Element most = nothing;
      for (int64_t j = 0; j < reach; ++j) {
        p[j] = p[j] * scale + (mask == nullptr ? 0 : mask[i * a.T + j]);
        most = p[j] > most ? p[j] : most;
      }
      for (int64_t j = reach; j < columns; ++j) p[j] = nothing;
      const Vector<Element> mosts = broadcast(most);
      Vector<Element> sums = {};
      for (int64_t j = 0; j < columns; j += L) {
        const Vector<Element> e = exponential<Element>(load(p + j) - mosts);
        sums += e;
        store(p + j, e);
      }
      const Vector<Element> by = broadcast(1 / sum_lanes<Element>(sums));
      for (int64_t j = 0; j < columns; j += L) store(p + j, load(p + j) * by);
    }
    return reach;
  }

  void forward() {
    prepare();
    pack_rows(a.qkv + offset(0, 2), 3 * a.H * a.W, s.value_rows);
    for (int64_t first = 0; first < a.T; first += kQueryRows) {
      const int64_t rows = smaller(kQueryRows, a.T - first);
      const int64_t reach = softmax(first, rows);
      const Blocks blocks(rows);
      for (int64_t w = 0; w < a.W; w += C) {
        for (int64_t block = 0; block < blocks.count; ++block) {
          const int64_t begin = blocks.begin(block);
          project_rows<Element>(blocks.size(block), reach, s.pattern + begin * s.keys, s.keys,
                                s.value_rows + w * a.T, s.zeros, s.result, C);
          for (int64_t i = 0; i < blocks.size(block); ++i) {
            const int64_t n = smaller(C, a.W - w);
            Element* to = a.z + ((b * a.T + first + begin + i) * a.H + h) * a.W + w;
            copy_padded(s.result + i * C, n, to, n);
          }
        }
      }
    }
  }

  // to[j] += sum_i x[i][j] * rows[i] for keys j < reach
  void accumulate(int64_t rows, int64_t reach, const Element* x, const Element* b_rows,
                  Element* to_rows) const {
    const Blocks blocks(reach);
    for (int64_t block = 0; block < blocks.count; ++block) {
      const int64_t begin = blocks.begin(block);
      const int64_t size = blocks.size(block);
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < size; ++j) s.weights[i * size + j] = x[i * s.keys + begin + j];
      }
      for (int64_t w = 0; w < s.width; w += C) {
        Element* to[kProductRows];
        for (int64_t j = 0; j < size; ++j) to[j] = to_rows + (begin + j) * s.width + w;
        product<Element>(size, rows, s.weights, b_rows + w, s.width, to, to, kNothing);
      }
    }
  }

  void backward() {
    constexpr int64_t L = kLanes<Element>;
    prepare();
    pack_columns(a.qkv + offset(0, 2), 3 * a.H * a.W, s.value_columns);
    pack_rows(s.rotated, s.width, s.key_rows);
    for (int64_t t = 0; t < a.T; ++t) {
      copy_padded(a.grad_z + ((b * a.T + t) * a.H + h) * a.W, a.W, s.grad_z + t * s.width, s.width);
      for (int64_t w = a.W; w < s.width; ++w) s.queries[t * s.width + w] = 0;
      for (int64_t w = 0; w < s.width; ++w) {
        s.grad_keys[t * s.width + w] = 0;
        s.grad_values[t * s.width + w] = 0;
      }
    }
    const Vector<Element> scales = broadcast(static_cast<Element>(a.scale));
    for (int64_t first = 0; first < a.T; first += kQueryRows) {
      const int64_t rows = smaller(kQueryRows, a.T - first);
      const int64_t reach = softmax(first, rows);
      const int64_t columns = round_up(reach, C);
      const Element* gz = s.grad_z + first * s.width;
      multiply(rows, a.W, gz, s.width, s.value_columns, a.W, columns, s.slopes, s.keys);
      accumulate(rows, reach, s.pattern, gz, s.grad_values);
      for (int64_t i = 0; i < rows; ++i) {
        Element* g = s.slopes + i * s.keys;
        const Element* p = s.pattern + i * s.keys;
        Vector<Element> sums = {};
        for (int64_t j = 0; j < columns; j += L) sums = fma(load(g + j), load(p + j), sums);
        const Vector<Element> inner = broadcast(sum_lanes<Element>(sums));
        for (int64_t j = 0; j < columns; j += L) {
          store(g + j, (load(g + j) - inner) * load(p + j) * scales);
        }
      }
      accumulate(rows, reach, s.slopes, s.queries + first * s.width, s.grad_keys);
      // the queries of this block are not read again: their gradients take their place
      multiply(rows, reach, s.slopes, s.keys, s.key_rows, a.T, s.width, s.queries + first * s.width,
               s.width);
    }
    for (int64_t t = 0; t < a.T; ++t) {
      turn(s.queries + t * s.width, t, true, a.grad_qkv + offset(t, 0));
      turn(s.grad_keys + t * s.width, t, true, a.grad_qkv + offset(t, 1));
      copy_padded(s.grad_values + t * s.width, a.W, a.grad_qkv + offset(t, 2), a.W);
    }
  }
};

template <class Element>
void attend(const AttentionCall<Element>& a, int threads, char* scratch) {
  const int64_t bytes = attention_bytes(a);
  share(threads, a.B * a.H, [&](int member, Parts& parts) {
    Scratch mine = {scratch + member * bytes, 0};
    const AttentionScratch<Element> pieces(a, mine);
    for (int64_t unit; parts.take(&unit);) {
      AttentionHead<Element> head{a, pieces, unit / a.H, unit % a.H};
      if (a.grad_z == nullptr) {
        head.forward();
      } else {
        head.backward();
      }
    }
  });
}
