// The calls of the kernels: one structure for each stem, the same in native/, in cuda/ and in Java,
// where io.autocircuit.kernels.CallLayout lists the fields and writes them into a long[].
//
// Every field has 8 bytes: an integer, a double or a pointer (null: no such tensor); so there is no
// padding. The first one is the type. What the fields mean, shapes and formulas are in the header of the kernel's name, and
// strides are in elements. Some calls are followed in memory by lists of integers.
//
// Includes nothing and holds no code: NVRTC takes it (it travels in the jar beside the sources of
// cuda/), and translation units with different flags share it.
//
// Element is how numbers are stored, as `type` says: void where a call passes through. Weights have a
// type of their own: that of the call, or one of 16 bits, whose values are computed with as they are.
#pragma once

namespace autocircuit {

typedef long long Int;  // 64 bits everywhere

enum ElementType {
  ELEMENT_FLOAT32 = 0,
  ELEMENT_FLOAT64 = 1,
  ELEMENT_BFLOAT16 = 2,
  ELEMENT_FLOAT16 = 3
};

enum Normalization {
  NORMALIZATION_NONE = 0,
  NORMALIZATION_LAYER_NORM = 1,
  NORMALIZATION_RMS_NORM = 2,
};

enum ActivationKind { ACTIVATION_SILU = 0, ACTIVATION_GELU_TANH = 1 };

template <class Element>
struct PatchForwardCall {
  Int type, B, T, K, S, D;
  const Element* resid;
  Int resid_b, resid_t;
  const Element* delta;
  Int delta_s, delta_b, delta_t;
  const Element* mask;
  Int mask_b, mask_t, mask_k;
  Int normalization;
  double epsilon;
  Element* out;
  Element* rstd;
};
static_assert(sizeof(PatchForwardCall<void>) == 21 * 8, "CallLayout.PATCH_FORWARD");

template <class Element>
struct PatchBackwardCall {
  Int type, B, T, K, S, D;
  Element* grad;
  const Element* normalized;
  Int normalized_k, normalized_b, normalized_t;
  const Element* rstd;
  Int rstd_k, rstd_b, rstd_t;
  const Element* delta;
  Int delta_s, delta_b, delta_t;
  const Element* mask;
  Int mask_b, mask_t, mask_k;
  Int normalization;
  Element* mask_grad;
  Int per_prompt, per_position;
  Element* resid_grad;
  Int resid_b, resid_t;
  Element* delta_grad;
  Int grad_s, grad_b, grad_t;
};
static_assert(sizeof(PatchBackwardCall<void>) == 34 * 8, "CallLayout.PATCH_BACKWARD");

// Lists behind it: inputs [P], columns [P].
template <class Element>
struct PatchProjectCall {
  PatchForwardCall<Element> patch;  // out and rstd are null
  const Element* affine_weight;
  const Element* affine_bias;
  Element* carry;
  Int P, W;
  const void* weight;
  Int weight_type, weight_d;
  const Element* bias;
  Element* out;
  Int out_b, out_t;
};
static_assert(sizeof(PatchProjectCall<void>) == 33 * 8, "CallLayout.PATCH_PROJECT");

// A list behind it: inputs [P].
template <class Element>
struct PatchProjectBackwardCall {
  PatchBackwardCall<Element> back;  // grad is null; mask and mask_grad have a row for the carry
  const Element* grad_out;
  Int P, W;
  const void* weight;
  Int weight_type, weight_d;
  const Element* scale;
  const Element* carry;
  Int carry_b, carry_t;
};
static_assert(sizeof(PatchProjectBackwardCall<void>) == 44 * 8,
              "CallLayout.PATCH_PROJECT_BACKWARD");

// A list behind it: heads [N].
template <class Element>
struct HeadOutputsCall {
  Int type, B, T, N, W, D;
  const Element* z;
  Int z_b, z_t;
  const void* weight;
  Int weight_type;
  const Element* ablation;
  Int ablation_h, ablation_b, ablation_t;
  Element* delta;
  Int delta_h, delta_b, delta_t;
  Element* stream;
};
static_assert(sizeof(HeadOutputsCall<void>) == 20 * 8, "CallLayout.HEAD_OUTPUTS");

// attention: z is written, grad_z and grad_qkv are null; attention_backward: z is null.
template <class Element>
struct AttentionCall {
  Int type, B, T, H, W;
  const Element* qkv;
  double scale;
  const Element* mask;
  Int mask_b;
  Int R;
  const Element* cosines;
  const Element* sines;
  Int rotation_b;
  Int adjacent;
  Element* z;
  const Element* grad_z;
  Element* grad_qkv;
};
static_assert(sizeof(AttentionCall<void>) == 17 * 8, "CallLayout.ATTENTION");

template <class Element>
struct MatrixProductCall {
  Int type, M, N, K;
  const Element* x;
  Int x_m;
  const void* w;
  Int w_type, w_row, transposed;
  const Element* start;
  Int start_m;
  Element* out;
  Int out_m;
};
static_assert(sizeof(MatrixProductCall<void>) == 14 * 8, "CallLayout.MATRIX_PRODUCT");

// activation: grad is null.
template <class Element>
struct ActivationCall {
  Int type, kind, n;
  const Element* x;
  const Element* grad;
  Element* out;
};
static_assert(sizeof(ActivationCall<void>) == 6 * 8, "CallLayout.ACTIVATION");

}  // namespace autocircuit
