// The cases of run_cases.cpp (on the CPU) and run_device.cpp (on a device): how they are read, filled,
// defined and judged. CudaEmulatorTest and CudaPack write them, one case per line, whose launches are
// those of the plans. A line holds words separated by spaces:
//
//   kind (forward|backward|attention|attention_backward) bfloat16 B T K S D normalization epsilon fill seed
//   per_prompt per_position
//   tensors, then for each: id elements offset 3 strides       (elements and strides in elements)
//   scratch launches, then for each: kernel gridX gridY gridZ blockX blockY shared fields...
//
// Addresses are (id << 40) + byte offset. In attention's, K is H, S is R, D is W, epsilon is the scale,
// normalization 2 means adjacent pairs, and fill is the mask's AttentionMask.
#pragma once
#include "emulator.h"

#include "common.cuh"
#include "patch_backward.h"
#include "patch_forward.h"
#include "tolerance.h"

#include <algorithm>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <string>

using autocircuit::Bfloat16;

// ids, the same in CudaCases
enum Id {
  RESID = 1,
  DELTA,
  MASK,
  OUT,
  RSTD,
  GRAD,
  NORMALIZED,
  MASK_GRAD,
  RESID_GRAD,
  DELTA_GRAD,
  SCRATCH,
  QKV,
  Z,
  GRAD_Z,
  GRAD_QKV,
  COSINES,
  SINES,
  IDS
};

struct Tensor {
  int64_t elements = 0;
  int64_t offset = 0;
  int64_t stride[3] = {};
  std::vector<double> start;   // what it holds before the call
  std::vector<double> wanted;  // and after the definition
  bool present() const { return elements > 0; }
};

struct Launch {
  std::string kernel;
  dim3 grid, block;
  int shared;
  std::vector<uint64_t> fields;
};

struct Case {
  std::string kind;
  bool bfloat16;
  int64_t B, T, K, S, D;
  int normalization;
  double epsilon;
  int fill;
  unsigned int seed;
  int per_prompt, per_position;
  Tensor tensor[IDS];
  int64_t scratch;
  std::vector<Launch> launches;
  bool attends() const { return kind == "attention" || kind == "attention_backward"; }
};

static double round_to(bool bfloat16, double x) {
  const float f = static_cast<float>(x);
  return bfloat16 ? Bfloat16::load(Bfloat16::store(f)) : f;
}

static Case parse(const std::string& line) {
  std::istringstream in(line);
  Case c;
  int tensors;
  int launches;
  in >> c.kind >> c.bfloat16 >> c.B >> c.T >> c.K >> c.S >> c.D >> c.normalization >> c.epsilon >>
      c.fill >> c.seed >> c.per_prompt >> c.per_position >> tensors;
  for (int i = 0; i < tensors; ++i) {
    int id;
    in >> id;
    Tensor& t = c.tensor[id];
    in >> t.elements >> t.offset >> t.stride[0] >> t.stride[1] >> t.stride[2];
  }
  in >> c.scratch >> launches;
  for (int i = 0; i < launches; ++i) {
    Launch l;
    std::size_t fields;
    in >> l.kernel >> l.grid.x >> l.grid.y >> l.grid.z >> l.block.x >> l.block.y >> l.shared >>
        fields;
    l.block.z = 1;
    l.fields.resize(fields);
    for (uint64_t& field : l.fields) {
      int64_t value;
      in >> value;
      field = static_cast<uint64_t>(value);
    }
    c.launches.push_back(l);
  }
  if (!in) {
    std::cerr << "cannot read: " << line << "\n";
    std::exit(2);
  }
  return c;
}

enum AttentionMask { NONE, CAUSAL, PADDED, SCATTERED };

// PADDED: causal, and the first b + 1 positions of prompt b are seen by nobody else; SCATTERED: random.
static void fill_attention(Case& c) {
  std::mt19937 random(c.seed);
  std::normal_distribution<double> normal;
  for (int id : {QKV, Z, GRAD_Z, GRAD_QKV, COSINES, SINES, MASK}) {
    Tensor& t = c.tensor[id];
    t.start.resize(t.elements);
    for (double& x : t.start) {
      x = round_to(c.bfloat16,
                   id == COSINES || id == SINES ? std::cos(9 * normal(random)) : normal(random));
      if (id == Z || id == GRAD_QKV) x = std::nan("");
    }
  }
  Tensor& m = c.tensor[MASK];
  for (int64_t i = 0; i < m.elements; ++i) {
    const int64_t b = i / (c.T * c.T), q = i / c.T % c.T, k = i % c.T;
    bool seen = k <= q;
    if (c.fill == PADDED && k <= b) seen = false;
    if (c.fill == SCATTERED) seen = random() % 3 == 0;
    if (!seen && k != q) m.start[i] = -INFINITY;
  }
}

// The definition of native/include/attention.h, in double precision.
static void define_attention(Case& c) {
  const int64_t H = c.K, R = c.S, W = c.D;
  const double scale = c.epsilon;
  const bool backward = c.kind == "attention_backward";
  const std::vector<double>& qkv = c.tensor[QKV].start;
  const auto joint = [&](int64_t b, int64_t t, int part, int64_t h) {
    return (((b * c.T + t) * 3 + part) * H + h) * W;
  };
  const auto turn = [&](int64_t b, int64_t t, double sign, const double* x) {
    std::vector<double> y(x, x + W);
    for (int64_t e = 0; e < R; ++e) {
      const int64_t at = b * c.tensor[COSINES].stride[0] + t * R + e;
      const bool lower = c.normalization == 2 ? e % 2 == 0 : e < R / 2;
      const int64_t step = c.normalization == 2 ? 1 : R / 2;
      const double other = lower ? -x[e + step] : x[e - step];
      y[e] = x[e] * c.tensor[COSINES].start[at] + sign * other * c.tensor[SINES].start[at];
    }
    return y;
  };
  for (int64_t b = 0; b < c.B; ++b) {
    for (int64_t h = 0; h < H; ++h) {
      std::vector<std::vector<double>> q, k, dq(c.T), dk(c.T), dv(c.T);
      for (int64_t t = 0; t < c.T; ++t) {
        q.push_back(turn(b, t, 1, &qkv[joint(b, t, 0, h)]));
        k.push_back(turn(b, t, 1, &qkv[joint(b, t, 1, h)]));
        for (auto* x : {&dq[t], &dk[t], &dv[t]}) x->assign(W, 0);
      }
      for (int64_t i = 0; i < c.T; ++i) {
        std::vector<double> p(c.T), dp(c.T);
        double most = -INFINITY, sum = 0, inner = 0;
        for (int64_t j = 0; j < c.T; ++j) {
          for (int64_t e = 0; e < W; ++e) p[j] += q[i][e] * k[j][e];
          p[j] *= scale;
          if (c.tensor[MASK].present()) {
            p[j] += c.tensor[MASK].start[b * c.tensor[MASK].stride[0] + i * c.T + j];
          }
          most = std::max(most, p[j]);
        }
        for (double& x : p) sum += x = std::exp(x - most);
        for (double& x : p) x /= sum;
        const int64_t row = ((b * c.T + i) * H + h) * W;
        for (int64_t j = 0; j < c.T; ++j) {
          const double* v = &qkv[joint(b, j, 2, h)];
          for (int64_t e = 0; e < W; ++e) {
            if (backward) {
              dp[j] += c.tensor[GRAD_Z].start[row + e] * v[e];
              dv[j][e] += p[j] * c.tensor[GRAD_Z].start[row + e];
            } else {
              double& z = c.tensor[Z].wanted[row + e];
              z = (j == 0 ? 0 : z) + p[j] * v[e];
            }
          }
          inner += dp[j] * p[j];
        }
        for (int64_t j = 0; backward && j < c.T; ++j) {
          const double ds = scale * p[j] * (dp[j] - inner);
          for (int64_t e = 0; e < W; ++e) {
            dq[i][e] += ds * k[j][e];
            dk[j][e] += ds * q[i][e];
          }
        }
      }
      for (int64_t t = 0; backward && t < c.T; ++t) {
        const std::vector<double> parts[] = {turn(b, t, -1, dq[t].data()),
                                             turn(b, t, -1, dk[t].data()), dv[t]};
        for (int part = 0; part < 3; ++part) {
          std::copy(parts[part].begin(), parts[part].end(),
                    c.tensor[GRAD_QKV].wanted.begin() + joint(b, t, part, h));
        }
      }
    }
  }
}

enum Fill { DENSE, SPARSE, WHOLE_ROWS, ZERO };

static void fill_tensors(Case& c) {
  if (c.attends()) return fill_attention(c);
  std::mt19937 random(c.seed);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  const double nan = std::nan("");
  for (int id = 1; id < IDS; ++id) {
    Tensor& t = c.tensor[id];
    if (!t.present()) continue;
    t.start.resize(t.elements);
    const bool written = id == OUT || id == MASK_GRAD || (id == RSTD && c.kind != "backward");
    for (double& x : t.start) {
      x = written ? nan : id == RSTD ? 0.5 + uniform(random) : normal(random);
      x = round_to(c.bfloat16, x);
    }
  }
  // the mask, entry by entry, since rows and columns matter
  Tensor& m = c.tensor[MASK];
  if (m.present()) {
    std::fill(m.start.begin(), m.start.end(), nan);  // what lies between the rows is not read
    for (int64_t b = 0; b < (m.stride[0] == 0 ? 1 : c.B); ++b) {
      for (int64_t t = 0; t < (m.stride[1] == 0 ? 1 : c.T); ++t) {
        std::vector<bool> row(c.K), column(c.S);
        for (int64_t k = 0; k < c.K; ++k) row[k] = random() % 3 == 0;
        for (int64_t s = 0; s < c.S; ++s) column[s] = random() % 3 == 0;
        for (int64_t k = 0; k < c.K; ++k) {
          for (int64_t s = 0; s < c.S; ++s) {
            double x = 0.1 + uniform(random);
            if (c.fill == ZERO || (c.fill == WHOLE_ROWS && row[k])) x = 0;
            if (c.fill == SPARSE && (row[k] || column[s] || random() % 2 == 0)) x = 0;
            m.start[m.offset + b * m.stride[0] + t * m.stride[1] + k * m.stride[2] + s] =
                round_to(c.bfloat16, x);
          }
        }
      }
    }
  }
  // delta of sources that no destination uses is not read; in whole rows, not even a used one
  // matters to a row of zeros
  Tensor& d = c.tensor[DELTA];
  if (d.present() && m.present() && c.kind == "forward") {
    for (int64_t b = 0; b < c.B; ++b) {
      for (int64_t t = 0; t < c.T; ++t) {
        for (int64_t s = 0; s < c.S; ++s) {
          bool used = false;
          for (int64_t k = 0; k < c.K; ++k) {
            used = used ||
                   m.start[m.offset + b * m.stride[0] + t * m.stride[1] + k * m.stride[2] + s] != 0;
          }
          if (!used || (c.fill == WHOLE_ROWS && s == 0)) {
            d.start[d.offset + s * d.stride[0] + b * d.stride[1] + t * d.stride[2]] = nan;
          }
        }
      }
    }
  }
}

// Gives a call a tensor, in double precision, with its first strides.
template <class Pointer, class... Strides>
static void place(Tensor& t, Pointer& address, Strides&... strides) {
  address = t.present() ? t.wanted.data() + t.offset : nullptr;
  int axis = 0;
  ((strides = t.stride[axis++]), ...);
}

static void define(Case& c) {
  for (Tensor& t : c.tensor) t.wanted = t.start;
  if (c.attends()) return define_attention(c);
  if (c.kind == "backward") {
    autocircuit::PatchBackwardCall<double> call = {
        autocircuit::ELEMENT_FLOAT64, c.B, c.T, c.K, c.S, c.D};
    place(c.tensor[GRAD], call.grad);
    place(c.tensor[NORMALIZED], call.normalized, call.normalized_k, call.normalized_b,
          call.normalized_t);
    place(c.tensor[RSTD], call.rstd, call.rstd_k, call.rstd_b, call.rstd_t);
    place(c.tensor[DELTA], call.delta, call.delta_s, call.delta_b, call.delta_t);
    place(c.tensor[MASK], call.mask, call.mask_b, call.mask_t, call.mask_k);
    call.normalization = c.normalization;
    place(c.tensor[MASK_GRAD], call.mask_grad);
    call.per_prompt = c.per_prompt;
    call.per_position = c.per_position;
    place(c.tensor[RESID_GRAD], call.resid_grad, call.resid_b, call.resid_t);
    place(c.tensor[DELTA_GRAD], call.delta_grad, call.grad_s, call.grad_b, call.grad_t);
    patch_backward_naive(reinterpret_cast<const autocircuit::PatchBackwardCall<void>*>(&call));
  } else {
    autocircuit::PatchForwardCall<double> call = {
        autocircuit::ELEMENT_FLOAT64, c.B, c.T, c.K, c.S, c.D};
    place(c.tensor[RESID], call.resid, call.resid_b, call.resid_t);
    place(c.tensor[DELTA], call.delta, call.delta_s, call.delta_b, call.delta_t);
    place(c.tensor[MASK], call.mask, call.mask_b, call.mask_t, call.mask_k);
    call.normalization = c.normalization;
    call.epsilon = c.epsilon;
    place(c.tensor[OUT], call.out);
    place(c.tensor[RSTD], call.rstd);
    patch_forward_naive(reinterpret_cast<const autocircuit::PatchForwardCall<void>*>(&call));
  }
}

// Device memory: allocations of exactly the sizes needed.
struct Memory {
  unsigned char* at[IDS] = {};
  int bytes;

  explicit Memory(const Case& c) : bytes(c.bfloat16 ? 2 : 4) {
    for (int id = 1; id < IDS; ++id) {
      const Tensor& t = c.tensor[id];
      std::size_t size = static_cast<std::size_t>(t.elements) * bytes;
      if (id == SCRATCH) size = static_cast<std::size_t>(c.scratch);
      if (size == 0) continue;
      void* memory = nullptr;
      if (posix_memalign(&memory, 64, size) != 0) std::abort();
      at[id] = static_cast<unsigned char*>(memory);
      std::memset(at[id], 0xff, size);
      for (int64_t i = 0; i < static_cast<int64_t>(t.start.size()); ++i) {
        const float x = static_cast<float>(t.start[i]);
        const unsigned short half = Bfloat16::store(x);
        std::memcpy(at[id] + i * bytes, c.bfloat16 ? static_cast<const void*>(&half) : &x, bytes);
      }
    }
  }
  ~Memory() {
    for (unsigned char* memory : at) std::free(memory);
  }
  Memory(const Memory&) = delete;

  double get(int id, int64_t i) const {
    if (bytes == 2) {
      unsigned short x;
      std::memcpy(&x, at[id] + i * 2, 2);
      return Bfloat16::load(x);
    }
    float x;
    std::memcpy(&x, at[id] + i * 4, 4);
    return x;
  }
};

// A launch's parameters, with the addresses of real memory for those of the line.
template <class Address>
static std::vector<uint64_t> parameters(const Launch& launch, Address address) {
  std::vector<uint64_t> fields = launch.fields;
  for (uint64_t& field : fields) {
    const uint64_t id = field >> 40;
    // strides and sizes are below 2^40, the bits of a positive double far above
    if (id > 0 && id < IDS) {
      field = address(static_cast<int>(id)) + (field & ((uint64_t{1} << 40) - 1));
    }
  }
  return fields;
}

// By the rule of Tolerance; a running sum of n terms, itself as large as the root of n, errs by up to n.
static bool compare(const Case& c, const Memory& memory, int id) {
  const Tensor& t = c.tensor[id];
  const double single = kEpsilon32;
  const double stored = c.bfloat16 ? kEpsilonBfloat16 : single;
  const double D = static_cast<double>(c.D);
  const double S = static_cast<double>(c.S);
  const double K = static_cast<double>(c.K);
  const bool backward = c.kind == "backward";
  double worst = 0;
  int64_t where = -1;
  for (int64_t i = 0; i < t.elements; ++i) {
    const double want = t.wanted[i];
    const double have = memory.get(id, i);
    if (std::isnan(want) && std::isnan(have)) continue;
    double bound;
    if (c.attends()) {  // scores and their gradients are sums over W, the rest over T
      bound = id == Z || id == GRAD_QKV ? stored * std::abs(want) + 8 * tolerance(single, D + c.T) *
                                                                        (id == Z ? 1 : std::sqrt(D))
                                        : (have == want ? 1 : 0);
      const double excess = std::abs(have - want) / bound;
      if (std::isinf(want) && have == want) continue;
      if (!(excess <= worst)) {
        worst = excess;
        where = i;
        if (std::isnan(excess)) break;
      }
      continue;
    }
    const bool result = backward ? id == GRAD || id >= MASK_GRAD : id == OUT || id == RSTD;
    if (!result || i < t.offset) {
      bound = have == want ? 1 : 0;  // not written
    } else if (!backward) {
      const int64_t row = id == OUT ? (i - t.offset) / c.D : i - t.offset;
      const double input = tolerance(single, S + 1) * (1 + std::sqrt(S));
      double rstd = 1;
      if (c.normalization != 0) rstd = c.tensor[RSTD].wanted[c.tensor[RSTD].offset + row];
      const double relative = tolerance(single, D) + rstd * input + stored;
      bound = id == RSTD ? rstd * relative : rstd * input + std::abs(want) * relative + single;
    } else {
      const double gradient = tolerance(single, D + 1) * 8;
      const double groups = (c.per_prompt ? c.B : 1) * (c.per_position ? c.T : 1);
      const double n = static_cast<double>(c.B * c.T) * D / groups;
      bound = stored * std::abs(want) + gradient;
      if (id == MASK_GRAD) bound += tolerance(stored, n) + single * n;
      if (id == RESID_GRAD || id == DELTA_GRAD) {
        bound = stored * std::abs(want) + (gradient + 8 * stored) * std::sqrt(K + 1);
      }
    }
    const double excess = std::abs(have - want) / bound;
    if (!(excess <= worst)) {
      worst = excess;
      where = i;
      if (std::isnan(excess)) break;
    }
  }
  if (worst <= 1) return true;
  std::cout << "tensor " << id << " element " << where << ": " << memory.get(id, where)
            << ", expected " << t.wanted[where] << ", " << worst << " times the bound; ";
  return false;
}

// Whether two runs gave the same bits and what the definition gives; says what is wrong. What is only
// read must not change either; NaN in it is equal to itself.
static bool judge(const Case& c, const Memory& first, const Memory& second) {
  bool good = true;
  for (int id = 1; id < IDS; ++id) {
    const Tensor& t = c.tensor[id];
    if (id == SCRATCH || !t.present()) continue;
    if (std::memcmp(first.at[id], second.at[id],
                    static_cast<std::size_t>(t.elements) * first.bytes) != 0) {
      std::cout << "tensor " << id << ": two runs, different bits; ";
      good = false;
    }
    good = compare(c, first, id) && good;
  }
  return good;
}
