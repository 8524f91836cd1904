// Calls every kernel with every combination of small sizes, zero among them, and compares what it
// writes with plain loops: arrays are exactly as large as the headers say, and outputs begin as NaN, so
// that what is not written, or written where nothing belongs, is seen (built with sanitizers).
// Prints "ok N" for N calls, or the first difference.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "activation.h"
#include "attention.h"
#include "head_outputs.h"
#include "instruction_set.h"
#include "matrix_product.h"
#include "patch_backward.h"
#include "patch_forward.h"
#include "patch_project.h"
#include "patch_project_backward.h"
#include "tolerance.h"

namespace {

using namespace autocircuit;

int64_t calls = 0;
std::string what;

// An array of its own, without spare elements: the sanitizer sees every step beside it.
template <class Element>
struct Array {
  int64_t size;
  std::unique_ptr<Element[]> data;

  explicit Array(int64_t n) : size(n), data(new Element[static_cast<std::size_t>(n)]) {
    for (int64_t i = 0; i < n; ++i) data[i] = std::numeric_limits<Element>::quiet_NaN();
  }
  Array(const Array& other) : Array(other.size) {
    for (int64_t i = 0; i < size; ++i) data[i] = other.data[i];
  }
  Array& random() {
    for (int64_t i = 0; i < size; ++i) {
      data[i] = static_cast<Element>(std::rand() % 2001 - 1000) / 500 + Element(0.001);
    }
    return *this;
  }
  Element& operator[](int64_t i) { return data[static_cast<std::size_t>(i)]; }
  Element* get() { return data.get(); }
};

// Weights as a call gets them; those of 16 bits replace the numbers of `wide`, which are of the call's
// type.
struct Stored {
  Array<uint16_t> narrow;
  const void* data;

  template <class Element>
  Stored(Array<Element>& wide, Int type) : narrow(type < ELEMENT_BFLOAT16 ? 0 : wide.size) {
    for (int64_t i = 0; i < narrow.size; ++i) {
      narrow[i] = static_cast<uint16_t>(std::rand() & 0xbfff);  // below 2
      if (type == ELEMENT_BFLOAT16) {
        const uint32_t bits = static_cast<uint32_t>(narrow[i]) << 16;
        float upper;
        std::memcpy(&upper, &bits, sizeof upper);
        wide[i] = upper;
      } else {
        const int exponent = narrow[i] >> 10 & 31;
        const int fraction = narrow[i] & 1023;
        const double x =
            exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
        wide[i] = static_cast<Element>(narrow[i] >> 15 != 0 ? -x : x);
      }
    }
    data = narrow.size > 0 ? static_cast<const void*>(narrow.get()) : wide.get();
  }
};

// A call as kernels get it, with the lists behind it, in an array of its own.
template <template <class> class Call>
struct Passed {
  std::vector<Int> words;

  template <class Element>
  explicit Passed(const Call<Element>& call, const std::vector<std::vector<Int>>& lists = {})
      : words(sizeof call / sizeof(Int)) {
    std::memcpy(words.data(), &call, sizeof call);
    for (const std::vector<Int>& list : lists) words.insert(words.end(), list.begin(), list.end());
    words.shrink_to_fit();
  }
  const Call<void>* get() const { return reinterpret_cast<const Call<void>*>(words.data()); }
};

template <class Element>
void compare(const char* name, Array<Element>& expected, Array<Element>& actual) {
  // the most terms of a sum; a normalisation divides by no less than a tenth
  const double bound = 16 * tolerance(sizeof(Element) == 8 ? kEpsilon64 : kEpsilon32, 400);
  for (int64_t i = 0; i < expected.size; ++i) {
    const double e = expected[i];
    const double a = actual[i];
    const bool same =
        std::isnan(e) ? std::isnan(a) : std::fabs(e - a) <= bound * (1 + std::fabs(e));
    if (!same) {
      std::printf("%s: %s[%lld] = %g, expected %g\n", what.c_str(), name, static_cast<long long>(i),
                  a, e);
      std::exit(1);
    }
  }
}

struct Sizes {
  int32_t set, type, weights, normalization;
  int64_t B, T, K, S, D;

  int64_t rows() const { return B * T; }
};

void describe(const char* kernel, const Sizes& n, const std::string& more) {
  what = std::string(kernel) + " set=" + std::to_string(n.set) + " type=" + std::to_string(n.type) +
         " weights=" + std::to_string(n.weights) +
         " normalization=" + std::to_string(n.normalization) + " B=" + std::to_string(n.B) +
         " T=" + std::to_string(n.T) + " K=" + std::to_string(n.K) + " S=" + std::to_string(n.S) +
         " D=" + std::to_string(n.D) + more;
  ++calls;
}

// A call on contiguous tensors, whose mask has `rows` rows.
template <class Element>
PatchForwardCall<Element> patched(const Sizes& n, Array<Element>& resid, Array<Element>& delta,
                                  Array<Element>& mask, int64_t rows, Element* out, Element* rstd) {
  // clang-format off
  return {
      n.type, n.B, n.T, n.K, n.S, n.D, resid.get(), n.T * n.D, n.D, delta.get(), n.rows() * n.D,
      n.T * n.D, n.D, mask.get(), n.T * rows * n.S, rows * n.S, n.S, n.normalization, 0.01, out,
      rstd};
  // clang-format on
}

template <class Element>
void forward(const Sizes& n) {
  describe("patch_forward", n, "");
  Array<Element> resid = Array<Element>(n.rows() * n.D).random();
  Array<Element> delta = Array<Element>(n.S * n.rows() * n.D).random();
  Array<Element> mask = Array<Element>(n.rows() * n.K * n.S).random();
  Array<Element> out(n.K * n.rows() * n.D), naive_out(out);
  Array<Element> rstd(n.K * n.rows()), naive_rstd(rstd);
  PatchForwardCall<Element> call =
      patched<Element>(n, resid, delta, mask, n.K, out.get(), rstd.get());
  patch_forward(n.set, 2, Passed<PatchForwardCall>(call).get());
  call.out = naive_out.get();
  call.rstd = naive_rstd.get();
  patch_forward_naive(Passed<PatchForwardCall>(call).get());
  compare("out", naive_out, out);
  compare("rstd", naive_rstd, rstd);
}

template <class Element>
void project(const Sizes& n, int64_t W, bool carried) {
  const int64_t P = n.K == 0 ? 0 : n.K + 1;  // one input serves two parts
  describe("patch_project", n, " W=" + std::to_string(W) + " carry=" + std::to_string(carried));
  const int64_t R = n.K + (carried ? 1 : 0);
  Array<Element> resid = Array<Element>(n.rows() * n.D).random();
  Array<Element> delta = Array<Element>(n.S * n.rows() * n.D).random();
  Array<Element> mask = Array<Element>(n.rows() * R * n.S).random();
  Array<Element> scale = Array<Element>(n.D).random();
  Array<Element> shift = Array<Element>(n.D).random();
  Array<Element> weight = Array<Element>(n.D * P * W).random();
  const Stored stored(weight, n.weights);
  Array<Element> bias = Array<Element>(P * W).random();
  Array<Element> out(n.rows() * P * W), expected(out);
  Array<Element> carry(carried ? n.rows() * n.D : 0), expected_carry(carry);
  std::vector<Int> inputs, columns;
  for (int64_t p = 0; p < P; ++p) {
    inputs.push_back(p % n.K);
    columns.push_back(P - 1 - p);
  }
  PatchForwardCall<Element> patch = patched<Element>(n, resid, delta, mask, R, nullptr, nullptr);
  // clang-format off
  const PatchProjectCall<Element> call = {
      patch, scale.get(), shift.get(), carried ? carry.get() : nullptr, P, W, stored.data, n.weights,
      P * W, bias.get(), out.get(), n.T * P * W, P * W};
  // clang-format on
  patch_project(n.set, 2, Passed<PatchProjectCall>(call, {inputs, columns}).get());
  Array<Element> y(n.K * n.rows() * n.D);
  patch.out = y.get();
  patch_forward_naive(Passed<PatchForwardCall>(patch).get());
  for (int64_t row = 0; row < n.rows(); ++row) {
    for (int64_t p = 0; p < P; ++p) {
      for (int64_t e = 0; e < W; ++e) {
        const int64_t column = columns[static_cast<std::size_t>(p)] * W + e;
        double sum = bias[column];
        for (int64_t d = 0; d < n.D; ++d) {
          const double x = y[(inputs[static_cast<std::size_t>(p)] * n.rows() + row) * n.D + d];
          sum += (x * scale[d] + shift[d]) * weight[d * P * W + column];
        }
        expected[row * P * W + column] = static_cast<Element>(sum);
      }
    }
    for (int64_t d = 0; carried && d < n.D; ++d) {
      double sum = 0;
      for (int64_t s = 0; s < n.S; ++s) {
        sum += static_cast<double>(mask[(row * R + n.K) * n.S + s]) *
               delta[(s * n.rows() + row) * n.D + d];
      }
      expected_carry[row * n.D + d] = static_cast<Element>(sum);
    }
  }
  compare("out", expected, out);
  compare("carry", expected_carry, carry);
}

// Both gradients: patch_backward, or patch_project_backward if W is not negative.
template <class Element>
void backward(const Sizes& n, int64_t W, bool carried, int32_t per_prompt, int32_t per_position) {
  const bool projected = W >= 0;
  const int64_t P = !projected || n.K == 0 ? 0 : n.K + 1;
  describe(projected ? "patch_project_backward" : "patch_backward", n,
           " W=" + std::to_string(W) + " carry=" + std::to_string(carried) + " per_prompt=" +
               std::to_string(per_prompt) + " per_position=" + std::to_string(per_position));
  const int64_t R = n.K + (carried ? 1 : 0);
  const int64_t row_d = n.rows() * n.D;
  Array<Element> grad_out = Array<Element>(n.rows() * P * (projected ? W : 0)).random();
  Array<Element> weight = Array<Element>(n.D * P * (projected ? W : 0)).random();
  const Stored stored(weight, n.weights);
  Array<Element> scale = Array<Element>(n.D).random();
  Array<Element> carry = Array<Element>(carried ? row_d : 0).random();
  Array<Element> grad = Array<Element>(n.K * row_d).random();
  Array<Element> normalized = Array<Element>(n.K * row_d).random();
  Array<Element> rstd = Array<Element>(n.K * n.rows()).random();
  Array<Element> delta = Array<Element>(n.S * row_d).random();
  Array<Element> mask = Array<Element>(n.rows() * R * n.S).random();
  const int64_t groups = (per_prompt != 0 ? n.B : 1) * (per_position != 0 ? n.T : 1);
  Array<Element> mask_grad(groups * R * n.S), expected_mask(mask_grad);
  Array<Element> resid_grad = Array<Element>(row_d).random();
  Array<Element> expected_resid(resid_grad);
  Array<Element> delta_grad = Array<Element>(n.S * row_d).random();
  Array<Element> expected_delta(delta_grad);
  std::vector<Int> inputs;
  for (int64_t p = 0; p < P; ++p) inputs.push_back(p % n.K);
  Array<Element> g(grad);
  if (projected) {
    for (int64_t i = 0; i < g.size; ++i) g[i] = 0;
    for (int64_t row = 0; row < n.rows(); ++row) {
      for (int64_t p = 0; p < P; ++p) {
        for (int64_t d = 0; d < n.D; ++d) {
          double sum = 0;
          for (int64_t e = 0; e < W; ++e) {
            sum += static_cast<double>(grad_out[row * P * W + p * W + e]) *
                   weight[d * P * W + p * W + e];
          }
          g[(inputs[static_cast<std::size_t>(p)] * n.rows() + row) * n.D + d] +=
              static_cast<Element>(sum * scale[d]);
        }
      }
    }
  }
  Array<Element> naive_mask(groups * n.K * n.S);
  // clang-format off
  PatchBackwardCall<Element> call = {
      n.type, n.B, n.T, n.K, n.S, n.D, g.get(), normalized.get(), row_d, n.T * n.D, n.D,
      rstd.get(), n.rows(), n.T, 1, delta.get(), row_d, n.T * n.D, n.D, mask.get(), n.T * R * n.S,
      R * n.S, n.S, n.normalization, naive_mask.get(), per_prompt, per_position,
      expected_resid.get(), n.T * n.D, n.D, expected_delta.get(), row_d, n.T * n.D, n.D};
  // clang-format on
  patch_backward_naive(Passed<PatchBackwardCall>(call).get());
  for (int64_t group = 0; group < groups; ++group) {
    for (int64_t i = 0; i < n.K * n.S; ++i) {
      expected_mask[group * R * n.S + i] = naive_mask[group * n.K * n.S + i];
    }
    for (int64_t s = 0; carried && s < n.S; ++s) expected_mask[(group * R + n.K) * n.S + s] = 0;
  }
  for (int64_t row = 0; carried && row < n.rows(); ++row) {
    const int64_t b = row / n.T;
    const int64_t t = row % n.T;
    const int64_t group =
        (per_prompt != 0 ? b : 0) * (per_position != 0 ? n.T : 1) + (per_position != 0 ? t : 0);
    for (int64_t s = 0; s < n.S; ++s) {
      for (int64_t d = 0; d < n.D; ++d) {
        const Element c = carry[row * n.D + d];
        expected_mask[(group * R + n.K) * n.S + s] += c * delta[(s * n.rows() + row) * n.D + d];
        expected_delta[(s * n.rows() + row) * n.D + d] += mask[(row * R + n.K) * n.S + s] * c;
      }
    }
  }
  call.grad = projected ? nullptr : grad.get();
  call.mask_grad = mask_grad.get();
  call.resid_grad = resid_grad.get();
  call.delta_grad = delta_grad.get();
  if (projected) {
    // clang-format off
    const PatchProjectBackwardCall<Element> whole = {
        call, grad_out.get(), P, W, stored.data, n.weights, P * W, scale.get(),
        carried ? carry.get() : nullptr, n.T * n.D, n.D};
    // clang-format on
    patch_project_backward(n.set, 2, Passed<PatchProjectBackwardCall>(whole, {inputs}).get());
  } else {
    patch_backward(n.set, 2, Passed<PatchBackwardCall>(call).get());
    compare("grad", g, grad);
  }
  compare("mask_grad", expected_mask, mask_grad);
  compare("resid_grad", expected_resid, resid_grad);
  compare("delta_grad", expected_delta, delta_grad);
}

template <class Element>
void heads(const Sizes& n, int64_t N, int64_t W, bool ablated) {
  const int64_t H = N + 1;
  describe("head_outputs", n, " N=" + std::to_string(N) + " W=" + std::to_string(W));
  Array<Element> z = Array<Element>(n.rows() * N * W).random();
  Array<Element> weight = Array<Element>(H * W * n.D).random();
  const Stored stored(weight, n.weights);
  Array<Element> ablation = Array<Element>(ablated ? H * n.rows() * n.D : 0).random();
  Array<Element> delta(H * n.rows() * n.D), expected(delta);
  Array<Element> stream = Array<Element>(n.rows() * n.D).random();
  Array<Element> expected_stream(stream);
  std::vector<Int> numbers;
  for (int64_t i = 0; i < N; ++i) numbers.push_back(i + 1);
  // clang-format off
  const HeadOutputsCall<Element> call = {
      n.type, n.B, n.T, N, W, n.D, z.get(), n.T * N * W, N * W, stored.data,
      n.weights, ablated ? ablation.get() : nullptr, n.rows() * n.D, n.T * n.D, n.D, delta.get(),
      n.rows() * n.D, n.T * n.D, n.D, stream.get()};
  // clang-format on
  head_outputs(n.set, 2, Passed<HeadOutputsCall>(call, {numbers}).get());
  for (int64_t row = 0; row < n.rows(); ++row) {
    for (int64_t i = 0; i < N; ++i) {
      for (int64_t d = 0; d < n.D; ++d) {
        double c = 0;
        for (int64_t e = 0; e < W; ++e) {
          c +=
              static_cast<double>(z[row * N * W + i * W + e]) * weight[((i + 1) * W + e) * n.D + d];
        }
        const int64_t at = ((i + 1) * n.rows() + row) * n.D + d;
        expected[at] = static_cast<Element>(ablated ? ablation[at] - c : c);
        expected_stream[row * n.D + d] += static_cast<Element>(c);
      }
    }
  }
  compare("delta", expected, delta);
  compare("stream", expected_stream, stream);
}

template <class Element>
void attend(const Sizes& n, int64_t H, int64_t W, bool masked, bool rotated) {
  const int64_t R = rotated ? W / 2 * 2 : 0;
  describe("attention", n, " H=" + std::to_string(H) + " W=" + std::to_string(W));
  Array<Element> qkv = Array<Element>(n.rows() * 3 * H * W).random();
  Array<Element> mask(masked ? n.T * n.T : 0);
  for (int64_t i = 0; i < mask.size; ++i) {
    mask[i] = i % n.T > i / n.T ? -std::numeric_limits<Element>::infinity() : 0;
  }
  Array<Element> cosines(n.T * R), sines(n.T * R);
  for (int64_t i = 0; i < cosines.size; ++i) {
    cosines[i] = 0;  // a quarter turn
    sines[i] = 1;
  }
  Array<Element> z(n.rows() * H * W), expected(z);
  // clang-format off
  AttentionCall<Element> call = {
      n.type, n.B, n.T, H, W, qkv.get(), 0.5, masked ? mask.get() : nullptr, 0, R,
      R == 0 ? nullptr : cosines.get(), R == 0 ? nullptr : sines.get(), 0, 0, z.get(), nullptr,
      nullptr};
  // clang-format on
  attention(n.set, 2, Passed<AttentionCall>(call).get());
  // turning both sides by the same angle leaves the scores as they are
  const auto at = [&](int64_t b, int64_t t, int64_t part, int64_t h) {
    return (((b * n.T + t) * 3 + part) * H + h) * W;
  };
  for (int64_t b = 0; b < n.B; ++b) {
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t i = 0; i < n.T; ++i) {
        std::vector<double> p;
        double total = 0;
        for (int64_t j = 0; j < n.T; ++j) {
          double s = 0;
          for (int64_t e = 0; e < W; ++e) {
            s += static_cast<double>(qkv[at(b, i, 0, h) + e]) * qkv[at(b, j, 1, h) + e];
          }
          p.push_back(std::exp(0.5 * s) * (masked && j > i ? 0 : 1));
          total += p.back();
        }
        for (int64_t e = 0; e < W; ++e) {
          double sum = 0;
          for (int64_t j = 0; j < n.T; ++j) {
            sum += p[static_cast<std::size_t>(j)] / total * qkv[at(b, j, 2, h) + e];
          }
          expected[((b * n.T + i) * H + h) * W + e] = static_cast<Element>(sum);
        }
      }
    }
  }
  compare("z", expected, z);
  Array<Element> grad_z(z.size);
  for (int64_t i = 0; i < grad_z.size; ++i) grad_z[i] = 0;
  Array<Element> grad_qkv(qkv.size), zeros(qkv.size);
  for (int64_t i = 0; i < zeros.size; ++i) zeros[i] = 0;
  call.z = nullptr;
  call.grad_z = grad_z.get();
  call.grad_qkv = grad_qkv.get();
  attention_backward(n.set, 2, Passed<AttentionCall>(call).get());
  compare("grad_qkv", zeros, grad_qkv);
}

template <class Element>
void matrix(const Sizes& n, int64_t M, int64_t N, int64_t K, int32_t transposed, int kind) {
  describe("matrix_product", n,
           " M=" + std::to_string(M) + " N=" + std::to_string(N) + " K=" + std::to_string(K) +
               " transposed=" + std::to_string(transposed) + " kind=" + std::to_string(kind));
  Array<Element> x = Array<Element>(M * K).random();
  Array<Element> w = Array<Element>(K * N).random();
  const Stored stored(w, n.weights);
  Array<Element> start = Array<Element>(kind == 0 ? 0 : kind == 1 ? N : M * N).random();
  Array<Element> out(M * N), expected(out);
  // clang-format off
  MatrixProductCall<Element> call = {
      n.type, M, N, K, x.get(), K, stored.data, n.weights, transposed != 0 ? K : N, transposed,
      kind == 0 ? nullptr : start.get(), kind == 2 ? N : 0, out.get(), N};
  // clang-format on
  matrix_product(n.set, 2, Passed<MatrixProductCall>(call).get());
  call.out = expected.get();
  matrix_product_naive(Passed<MatrixProductCall>(call).get());
  compare("out", expected, out);
}

template <class Element>
void activations(const Sizes& n) {
  for (int32_t kind = ACTIVATION_SILU; kind <= ACTIVATION_GELU_TANH; ++kind) {
    for (int64_t count : {0, 1, 7, 16, 41}) {
      describe("activation", n, " kind=" + std::to_string(kind) + " n=" + std::to_string(count));
      Array<Element> x = Array<Element>(count).random();
      Array<Element> grad = Array<Element>(count).random();
      Array<Element> out(count), expected(out), back(out), expected_back(out);
      for (int64_t i = 0; i < count; ++i) {
        const double v = x[i];
        const double root = std::sqrt(2 / std::acos(-1.0));
        const bool gelu = kind == ACTIVATION_GELU_TANH;
        const double u = gelu ? 2 * root * (v + 0.044715 * v * v * v) : v;
        const double slope = gelu ? 2 * root * (1 + 3 * 0.044715 * v * v) : 1;
        const double s = 1 / (1 + std::exp(-u));
        expected[i] = static_cast<Element>(v * s);
        expected_back[i] = static_cast<Element>(grad[i] * (s + v * s * (1 - s) * slope));
      }
      ActivationCall<Element> call = {n.type, kind, count, x.get(), nullptr, out.get()};
      activation(n.set, 2, Passed<ActivationCall>(call).get());
      call.grad = grad.get();
      call.out = back.get();
      activation_backward(n.set, 2, Passed<ActivationCall>(call).get());
      compare("out", expected, out);
      compare("gradient", expected_back, back);
    }
  }
}

template <class Element>
void matrices(const Sizes& n) {
  for (int64_t M : {0, 1, 3, 12, 29, 300}) {
    for (int64_t N : {0, 1, 5, 32, 67}) {
      for (int64_t K : {0, 1, 2, 17, 386}) {
        if (M * N * K > 2000000) continue;  // slow without optimisation
        for (int32_t transposed = 0; transposed <= 1; ++transposed) {
          for (int kind = 0; kind <= 2; ++kind) {
            if (kind == 1 || n.weights == n.type) matrix<Element>(n, M, N, K, transposed, kind);
          }
        }
      }
    }
  }
}

template <class Element>
void all(Sizes n) {
  const bool narrow = n.weights != n.type;  // then only what has weights, without normalisation
  const int32_t normalizations = narrow ? 0 : 2;
  if (!narrow) activations<Element>(n);
  matrices<Element>(n);
  for (n.B = 0; n.B <= 2; ++n.B) {
    for (n.T = 0; n.T <= 2; ++n.T) {
      for (n.D = 0; n.D <= 5; n.D += n.D == 0 ? 1 : 4) {
        for (n.S = 0; n.S <= 3; n.S += n.S == 0 ? 1 : 2) {
          for (n.K = 0; n.K <= 2; ++n.K) {
            for (n.normalization = 0; n.normalization <= normalizations; ++n.normalization) {
              if (!narrow) forward<Element>(n);
              for (int carried = 0; carried <= 1; ++carried) {
                for (int64_t W = 0; W <= 3; W += 3) {
                  project<Element>(n, W, carried != 0);
                  for (int32_t per = 0; per <= (narrow ? 0 : 3); ++per) {
                    backward<Element>(n, W, carried != 0, per & 1, per >> 1);
                  }
                }
              }
              for (int32_t per = 0; per <= 3 && !narrow; ++per) {
                backward<Element>(n, -1, false, per & 1, per >> 1);
              }
            }
          }
        }
        for (int64_t N = 0; N <= 2; ++N) {
          for (int64_t W = 0; W <= 3; W += 3) {
            heads<Element>(n, N, W, true);
            heads<Element>(n, N, W, false);
          }
        }
      }
      for (int64_t H = 0; H <= 2 && !narrow; ++H) {
        for (int64_t W = 0; W <= 3; W += 3) {
          for (int kind = 0; kind <= 3; ++kind) {
            attend<Element>(n, H, W, (kind & 1) != 0, (kind & 2) != 0);
          }
        }
      }
    }
  }
}

}  // namespace

int main() {
  for (int32_t set = 0; set <= INSTRUCTION_SET_AVX512; ++set) {
    if (!instruction_set_available(set)) continue;
    for (int32_t weights : {ELEMENT_FLOAT32, ELEMENT_BFLOAT16, ELEMENT_FLOAT16}) {
      all<float>({set, ELEMENT_FLOAT32, weights, 0, 0, 0, 0, 0, 0});
    }
    for (int32_t weights : {ELEMENT_FLOAT64, ELEMENT_BFLOAT16, ELEMENT_FLOAT16}) {
      all<double>({set, ELEMENT_FLOAT64, weights, 0, 0, 0, 0, 0, 0});
    }
  }
  std::printf("ok %lld\n", static_cast<long long>(calls));
  return 0;
}
