// What the public C functions hand to the kernels of one instruction set. Plain data: this header is
// included by translation units compiled with different flags, so it must not contain code.
#pragma once
#include <cstdint>

namespace autocircuit {

template <class Element>
struct ForwardArguments {
  int64_t B, T, K, S, D;
  const Element* resid;
  int64_t resid_b, resid_t;
  const Element* delta;
  int64_t delta_s, delta_b, delta_t;
  const Element* mask;
  int64_t mask_b, mask_t, mask_k;
  int32_t normalization;
  double epsilon;
  Element* out;
  Element* rstd;
};

template <class Element>
struct BackwardArguments {
  int64_t B, T, K, S, D;
  Element* grad;
  const Element* normalized;
  int64_t normalized_k, normalized_b, normalized_t;
  const Element* rstd;
  int64_t rstd_k, rstd_b, rstd_t;
  const Element* delta;
  int64_t delta_s, delta_b, delta_t;
  const Element* mask;
  int64_t mask_b, mask_t, mask_k;
  int32_t normalization;
  Element* mask_grad;
  bool per_prompt, per_position;
  Element* resid_grad;
  int64_t resid_b, resid_t;
  Element* delta_grad;
  int64_t grad_s, grad_b, grad_t;
};

template <class Element>
struct ProjectArguments {
  ForwardArguments<Element> patch;  // out and rstd are null
  const Element* affine_weight;
  const Element* affine_bias;
  Element* carry;
  int64_t P, W;
  const int32_t* inputs;
  const int32_t* columns;
  const Element* weight;
  int64_t weight_d;
  const Element* bias;
  Element* out;
  int64_t out_b, out_t;
};

template <class Element>
struct ProjectBackwardArguments {
  BackwardArguments<Element> back;  // grad is null; mask and mask_grad have a row for the carry
  const Element* grad_out;
  int64_t P, W;
  const int32_t* inputs;
  const Element* weight;
  int64_t weight_d;
  const Element* scale;
  const Element* carry;
  int64_t carry_b, carry_t;
};

template <class Element>
struct HeadArguments {
  int64_t B, T, N, W, D;
  const int32_t* heads;
  const Element* z;
  int64_t z_b, z_t;
  const Element* weight;
  const Element* ablation;
  int64_t ablation_h, ablation_b, ablation_t;
  Element* delta;
  int64_t delta_h, delta_b, delta_t;
  Element* stream;
};

template <class Element>
struct AttentionArguments {
  int64_t B, T, H, W;
  const Element* qkv;
  double scale;
  const Element* mask;
  int64_t mask_b;
  int64_t R;
  const Element* cosines;
  const Element* sines;
  int64_t rotation_b;
  bool adjacent;
  Element* z;             // null for the gradient
  const Element* grad_z;  // null for the forward pass
  Element* grad_qkv;
};

template <class Element>
struct ActivationArguments {
  int64_t n;
  bool gelu;
  const Element* x;
  const Element* grad;  // null for the function itself
  Element* out;
};

template <class Element>
struct MatrixArguments {
  int64_t M, N, K;
  const Element* x;
  int64_t x_m;
  const Element* w;
  int64_t w_row;
  bool transposed;
  const Element* start;
  int64_t start_m;
  Element* out;
  int64_t out_m;
};

// How the rows of one mask_grad entry are cut into chunks (see patch_backward.h).
struct Chunks {
  int64_t groups;      // (b', t') pairs of mask_grad
  int64_t group_rows;  // rows (b, t) summed into one of them
  int64_t rows;        // rows of a chunk, the last one of a group may have fewer
  int64_t per_group;   // chunks of a group
};

// The kernels of one instruction set, for one element type. Scratch memory is the caller's: `bytes`
// says how much one thread needs, `run` gets threads times as much, aligned to 64 bytes.
template <class Element>
struct Implementation {
  int64_t (*forward_bytes)(const ForwardArguments<Element>&);
  void (*forward)(const ForwardArguments<Element>&, int threads, char* scratch);
  int64_t (*backward_bytes)(const BackwardArguments<Element>&);
  // `partials`: [groups][per_group][K, and 1 for a carry][S], null if there is no mask_grad or per_group is 1
  void (*backward)(const BackwardArguments<Element>&, const Chunks&, int threads, char* scratch,
                   double* partials);
  // `shared` is for all threads together, `scratch` as above
  int64_t (*project_shared_bytes)(const ProjectArguments<Element>&);
  int64_t (*project_bytes)(const ProjectArguments<Element>&);
  void (*project)(const ProjectArguments<Element>&, int threads, char* shared, char* scratch);
  int64_t (*project_backward_shared_bytes)(const ProjectBackwardArguments<Element>&);
  int64_t (*project_backward_bytes)(const ProjectBackwardArguments<Element>&, const Chunks&);
  void (*project_backward)(const ProjectBackwardArguments<Element>&, const Chunks&, int threads,
                           char* shared, char* scratch, double* partials);
  int64_t (*heads_shared_bytes)(const HeadArguments<Element>&);
  int64_t (*heads_bytes)(const HeadArguments<Element>&);
  void (*heads)(const HeadArguments<Element>&, int threads, char* shared, char* scratch);
  int64_t (*attention_bytes)(const AttentionArguments<Element>&);
  void (*attention)(const AttentionArguments<Element>&, int threads, char* scratch);
  int64_t (*matrix_bytes)(const MatrixArguments<Element>&);
  void (*matrix)(const MatrixArguments<Element>&, int threads, char* scratch);
  void (*activation)(const ActivationArguments<Element>&, int threads);
};

}  // namespace autocircuit
